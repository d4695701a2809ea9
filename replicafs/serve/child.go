package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"klw/internal/program"
	"klw/replicafs"
	"klw/replicafs/feed"
	"klw/replicafs/journal"
)

// applier keeps a klw-replica running and knows how far it is.
type applier struct {
	binary   string
	folder   replicafs.Folder
	config   replicafs.Config
	source   *replicafs.Source
	journal  *journal.Writer
	diverged func() // called when records could not be applied, since somebody changed the replica

	mu       sync.Mutex
	change   *sync.Cond
	conn     *feed.Conn
	pid      int
	restarts int
	stopping bool
	ended    bool // for good
	progress feed.Progress
	fetched  int64 // by earlier children
	failure  string
	marks    []mark // of records that are not applied
}

// mark is when a record was written.
type mark struct {
	seq  uint64
	time time.Time
}

func newApplier(f replicafs.Folder, c replicafs.Config, src *replicafs.Source, w *journal.Writer) (*applier, error) {
	binary, err := program.Find("klw-replica")
	if err != nil {
		return nil, err
	}
	a := &applier{binary: binary, folder: f, config: c, source: src, journal: w}
	a.change = sync.NewCond(&a.mu)
	return a, nil
}

// The pauses between one child's end and the next one's start.
const (
	shortPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
	goodRun    = 10 * time.Second
)

// supervise starts children until one ends in good order.
func (a *applier) supervise() {
	pause := shortPause
	for {
		began := time.Now()
		err := a.runChild()
		a.mu.Lock()
		a.pid, a.conn = 0, nil
		a.fetched += a.progress.Fetched
		a.progress.Fetched = 0
		if a.stopping {
			a.ended = true
			if err != nil && a.failure == "" {
				a.failure = err.Error()
			}
			a.change.Broadcast()
			a.mu.Unlock()
			return
		}
		a.restarts++
		a.change.Broadcast()
		a.mu.Unlock()
		slog.Warn("klw-replica ended, starting it again", "error", err)
		if time.Since(began) > goodRun {
			pause = shortPause
		}
		time.Sleep(pause)
		pause = min(2*pause, longPause)
	}
}

func (a *applier) runChild() error {
	conn, remote, err := feed.Pair()
	if err != nil {
		return err
	}
	defer conn.Close()
	cmd := exec.Command(a.binary, "--journal", a.folder.Journal(), "--to", a.config.Destination, "--uuid", a.config.UUID)
	cmd.Stderr = os.Stderr
	src := os.NewFile(uintptr(dup(a.source.FD)), "source")
	cmd.ExtraFiles = []*os.File{remote, src}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	remote.Close()
	src.Close()
	if err != nil {
		return fmt.Errorf("start klw-replica: %w", err)
	}
	if err := a.attach(conn, cmd.Process.Pid); err != nil {
		slog.Warn("feed klw-replica", "error", err)
	}
	a.listen(conn)
	return cmd.Wait()
}

// attach makes a child the one that is fed, and gives it its first order.
func (a *applier) attach(conn *feed.Conn, pid int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conn, a.pid = conn, pid
	return conn.Send(feed.Order{Head: a.journal.Seq(), Stop: a.stopping})
}

// listen takes what the child says, until it is gone.
func (a *applier) listen(conn *feed.Conn) {
	known := 0
	for {
		var p feed.Progress
		if conn.Receive(&p) != nil {
			return
		}
		a.mu.Lock()
		a.took(p)
		durable, leftOut := a.progress.Durable, p.LeftOut > known
		known = p.LeftOut
		a.mu.Unlock()
		if leftOut {
			a.diverged()
		}
		if err := a.journal.Trim(durable); err != nil {
			slog.Warn("trim the journal", "error", err)
		}
	}
}

func (a *applier) took(p feed.Progress) {
	a.failure = p.Error
	p.Applied, p.Durable = max(p.Applied, a.progress.Applied), max(p.Durable, a.progress.Durable)
	p.Fetched = max(p.Fetched, a.progress.Fetched)
	a.progress = p
	for len(a.marks) > 0 && a.marks[0].seq <= p.Applied {
		a.marks = a.marks[1:]
	}
	a.change.Broadcast()
}

// feed tells the child of new records, until the journal's writer is told to stop.
func (a *applier) feed(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-a.journal.Changed():
		}
		a.mu.Lock()
		seq := a.journal.Seq()
		a.mark(seq)
		if a.conn != nil {
			_ = a.conn.Send(feed.Order{Head: seq}) // a child that is gone is noticed by listen
		}
		a.mu.Unlock()
	}
}

const maxMarks = 4096

// mark remembers when the record was written, exactly enough.
func (a *applier) mark(seq uint64) {
	if seq <= a.progress.Applied {
		return
	}
	if len(a.marks) >= maxMarks {
		for i := range maxMarks / 2 {
			a.marks[i] = a.marks[2*i]
		}
		a.marks = a.marks[:maxMarks/2]
	}
	a.marks = append(a.marks, mark{seq, time.Now()})
}

var errApplier = errors.New("klw-replica doesn't get on")

// waitApplied waits until the record was applied. It gives up when there was no progress for the time stuck.
func (a *applier) waitApplied(seq uint64) error {
	wake := time.AfterFunc(stuck, a.change.Broadcast)
	defer wake.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	last, since := a.progress, time.Now()
	for a.progress.Applied < seq {
		if a.ended {
			return fmt.Errorf("%w: %s", errApplier, a.failure)
		}
		if a.progress != last {
			last, since = a.progress, time.Now()
			wake.Reset(stuck)
		}
		if time.Since(since) >= stuck {
			return fmt.Errorf("%w (record %d of %d) %s", errApplier, a.progress.Applied, seq, a.failure)
		}
		a.change.Wait()
	}
	return nil
}

// finish lets the child apply everything and end. It gives up when there is no progress for the time patience.
func (a *applier) finish(patience time.Duration) error {
	a.mu.Lock()
	a.stopping = true
	seq := a.journal.Seq()
	if a.conn != nil {
		_ = a.conn.Send(feed.Order{Head: seq, Stop: true})
	}
	a.mu.Unlock()
	if err := a.waitEnded(patience); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.progress.Durable != seq {
		return fmt.Errorf("%w: the replica has record %d on disk, the last one is %d: %s", errApplier, a.progress.Durable, seq, a.failure)
	}
	return nil
}

func (a *applier) waitEnded(patience time.Duration) error {
	wake := time.AfterFunc(patience, a.change.Broadcast)
	defer wake.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	last, since := a.progress, time.Now()
	for !a.ended {
		if a.progress != last {
			last, since = a.progress, time.Now()
			wake.Reset(patience)
		}
		if time.Since(since) >= patience {
			if a.pid != 0 {
				_ = syscall.Kill(a.pid, syscall.SIGKILL)
			}
			return fmt.Errorf("%w: killed after %v without progress: %s", errApplier, patience, a.failure)
		}
		a.change.Wait()
	}
	return nil
}

func dup(fd int) int {
	n, err := syscall.Dup(fd)
	if err != nil {
		return -1
	}
	syscall.CloseOnExec(n)
	return n
}
