// Package worker is what the program klw-replica does: it follows a journal and applies it to a local destination.
//
// It is started by klw-replicafs (package feed says how they talk), can be killed at any time, and goes on from its
// cursor when it is started again. It ends when it is told to, or when klw-replicafs is gone and the journal has no
// more records.
package worker

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"klw/replicafs"
	"klw/replicafs/feed"
	"klw/replicafs/journal"
	"klw/replicafs/replica"
)

// Options say what to follow.
type Options struct {
	Journal     string
	Destination string
	UUID        string
}

const (
	reportEvery     = 512                    // records
	checkpointEvery = 500 * time.Millisecond // while there is something new
	retryEvery      = 500 * time.Millisecond // after an error
)

type worker struct {
	o       Options
	conn    *feed.Conn
	applier *replica.Applier
	reader  *journal.Reader

	using sync.Mutex // the replica's descriptors, for those who don't apply; taken before mu

	mu      sync.Mutex
	change  *sync.Cond
	head    uint64
	stop    bool
	orphan  bool // klw-replicafs is gone
	durable uint64
	leftOut int // records that could not be applied
}

// Run follows the journal until it is told to stop.
func Run(o Options) error {
	conn, err := feed.FromFD(feed.SocketFD)
	if err != nil {
		return err
	}
	defer conn.Close()
	w := &worker{o: o, conn: conn}
	w.change = sync.NewCond(&w.mu)
	var first feed.Order
	if err := conn.Receive(&first); err != nil {
		return fmt.Errorf("wait for the first order: %w", err)
	}
	w.head, w.stop = first.Head, first.Stop
	go w.listen()
	if err := w.open(); err != nil {
		w.send(feed.Progress{Error: err.Error()})
		return err
	}
	defer func() { w.applier.Close() }()
	defer w.reader.Close()
	w.report("")
	ended := make(chan struct{})
	var tick sync.WaitGroup
	tick.Go(func() { w.checkpoints(ended) })
	err = w.follow()
	close(ended)
	tick.Wait()
	return errors.Join(err, w.checkpoint(""))
}

func (w *worker) open() (err error) {
	defer w.beat()()
	w.applier, err = replica.Open(replica.Options{
		Path: w.o.Destination, UUID: w.o.UUID, ReplayTo: w.head,
		Source: &replicafs.Source{FD: feed.SourceFD},
		Wait:   w.patience,
	})
	if err != nil {
		return err
	}
	w.durable = w.applier.Applied()
	w.reader, err = journal.NewReader(w.o.Journal, w.durable)
	if err != nil {
		w.applier.Close()
	}
	return err
}

// patience waits for an earlier klw-replica to finish what it does without its klw-replicafs.
func (w *worker) patience() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.orphan || w.stop {
		return errors.New("another process works on this replica")
	}
	w.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	w.mu.Lock()
	return nil
}

// beat tells klw-replicafs that the replica is still waited for, or read.
func (w *worker) beat() (stop func()) {
	ended := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-ended:
				return
			case <-tick.C:
				w.send(feed.Progress{Alive: n})
			}
		}
	}()
	return func() { close(ended) }
}

// listen takes orders.
func (w *worker) listen() {
	for {
		var o feed.Order
		err := w.conn.Receive(&o)
		w.mu.Lock()
		w.head = max(w.head, o.Head)
		w.stop = w.stop || o.Stop
		w.orphan = w.orphan || err != nil
		w.change.Broadcast()
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// next waits for work. more is false when there will be none.
func (w *worker) next() (head uint64, orphan, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.reader.Seq() >= w.head && !w.stop && !w.orphan {
		w.change.Wait()
	}
	return w.head, w.orphan, w.reader.Seq() < w.head || w.orphan
}

func (w *worker) follow() error {
	for {
		head, orphan, more := w.next()
		if !more {
			return nil
		}
		if orphan {
			return w.drain()
		}
		for w.reader.Seq() < head {
			if err := w.one(); err != nil {
				return err
			}
			if w.reader.Seq()%reportEvery == 0 {
				w.report("")
			}
		}
		w.report("")
	}
}

// one applies the next record, which must be there.
func (w *worker) one() error {
	rec, err := w.reader.Next()
	if err != nil {
		return w.fail(fmt.Errorf("read record %d: %w", w.reader.Seq()+1, err))
	}
	for {
		err := w.applier.Apply(rec)
		if errors.Is(err, replica.ErrChanged) {
			err = w.repair(rec, err)
		}
		if err == nil {
			return nil
		}
		w.report(err.Error())
		if w.hasty() {
			return err
		}
		time.Sleep(retryEvery)
	}
}

// repair deals with a replica that somebody else changed: it is read anew, and a record that still can't be applied
// is left out and counted. klw-replicafs then compares and journals what is missing.
func (w *worker) repair(rec *journal.Record, why error) error {
	w.using.Lock()
	fresh, err := w.applier.Reopen()
	if err == nil {
		w.mu.Lock()
		w.applier = fresh
		w.mu.Unlock()
	}
	w.using.Unlock()
	if err != nil {
		return errors.Join(why, err)
	}
	if err := fresh.Apply(rec); !errors.Is(err, replica.ErrChanged) {
		return err
	}
	fresh.LeaveOut(rec)
	w.mu.Lock()
	w.leftOut++
	w.mu.Unlock()
	w.report(why.Error())
	return nil
}

// current is the applier, for other goroutines.
func (w *worker) current() *replica.Applier {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.applier
}

// hasty tells whether nobody waits for a record that can't be applied.
func (w *worker) hasty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stop || w.orphan
}

func (w *worker) fail(err error) error {
	w.report(err.Error())
	return err
}

// drain applies what is left when klw-replicafs is gone.
func (w *worker) drain() error {
	for {
		rec, err := w.reader.Next()
		if errors.Is(err, journal.ErrEnd) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.applier.Apply(rec); err != nil {
			return err
		}
	}
}

func (w *worker) checkpoints(ended <-chan struct{}) {
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	copied := int64(0)
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		idle, now := w.durable == w.applier.Applied(), w.applier.Copied()
		w.mu.Unlock()
		if now != copied { // in the middle of a large file
			copied = now
			w.report("")
		}
		if idle {
			continue
		}
		if err := w.checkpoint(""); err != nil {
			w.report(err.Error())
		}
	}
}

// checkpoint brings the replica to disk and says so.
func (w *worker) checkpoint(problem string) error {
	w.using.Lock()
	defer w.using.Unlock()
	seq, err := w.current().Checkpoint()
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.durable = seq
	w.mu.Unlock()
	w.report(problem)
	return nil
}

func (w *worker) report(problem string) {
	w.mu.Lock()
	p := feed.Progress{Applied: w.applier.Applied(), Durable: w.durable, Fetched: w.applier.Fetched(), Copied: w.applier.Copied(),
		LeftOut: w.leftOut, Note: w.applier.Oddities(), Error: problem}
	w.mu.Unlock()
	w.send(p)
}

// send says something to klw-replicafs, if it is still there.
func (w *worker) send(p feed.Progress) { _ = w.conn.Send(p) }
