package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/control"
	"klw/internal/layout"
	"klw/internal/view"
	"klw/replicafs"
	"klw/replicafs/capture"
	"klw/replicafs/journal"
	"klw/replicafs/ops"
)

// Options of a server.
type Options struct {
	Root        layout.Root
	Source      string
	Mountpoint  string
	Destination string
	Ack         ops.Ack
	SegmentSize int64  // of the journal; 0: the usual one
	Ready       func() // called when it serves
}

// Limits of patience.
const (
	stuck       = 30 * time.Second // the applier makes no progress
	fullJournal = 2 * time.Second  // an operation waits for room in the journal
	leaveTime   = 10 * time.Second // programs that still use the mount when it is to go
)

// server is one replication at work.
type server struct {
	o       Options
	paths   paths
	folder  replicafs.Folder
	kept    kept
	since   time.Time
	journal *journal.Writer
	source  *replicafs.Source
	applier *applier
	master  *hooks.Master
	module  *capture.Module
	views   *view.Server
	view    *view.View
	control *control.Server
	unknown chan string
	quit    chan struct{} // closed when the server is asked to end
	once    sync.Once
	undo    []func()

	mu     sync.Mutex
	state  string
	copy   *ops.Progress
	copied int64  // Fetch records applied before the present copy began
	copyTo uint64 // the present copy's last record
	resync int    // runs because of changes past the mount
}

// Run replicates until ctx ends, somebody unmounts, or the control socket says so.
func Run(ctx context.Context, o Options) error {
	s := &server{o: o, since: time.Now(), state: "starting", unknown: make(chan string, 1), quit: make(chan struct{})}
	defer s.close()
	if err := s.prepare(); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		s.abandon()
		return err
	}
	if o.Ready != nil {
		o.Ready()
	}
	slog.Info("replicating", "source", s.paths.source, "mountpoint", s.paths.mountpoint, "destination", s.paths.destination)
	s.wait(ctx)
	return s.stop()
}

// close undoes what was done, in reverse order.
func (s *server) close() {
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.undo[i]()
	}
}

func (s *server) later(f func()) { s.undo = append(s.undo, f) }

// prepare does what leaves no trace but the replication's folder and the destination's mark.
func (s *server) prepare() (err error) {
	if err := s.resolve(); err != nil {
		return err
	}
	s.folder = replicafs.FolderOf(s.o.Root, s.paths.source)
	lock, err := takeFolder(s.folder)
	if err != nil {
		return err
	}
	s.later(func() { lock.Close() })
	if err := s.resolve(); err != nil { // a predecessor may have died only now
		return err
	}
	if s.source, err = replicafs.OpenSource(s.paths.source); err != nil {
		return err
	}
	s.later(func() { s.source.Close() })
	if s.kept, err = takeUp(s.folder, s.paths, string(s.o.Ack)); err != nil {
		return err
	}
	var fits bool
	s.journal, fits, err = openJournal(s.folder, s.paths.destination, journal.Options{SegmentSize: s.o.SegmentSize, Epoch: 1})
	if err != nil {
		return err
	}
	s.later(func() { s.journal.Close() })
	s.kept.clean = s.kept.clean && fits
	return nil
}

func (s *server) resolve() (err error) {
	s.paths, err = resolve(s.o.Source, s.o.Mountpoint, s.o.Destination)
	if errors.Is(err, unix.ENOTCONN) { // it died meanwhile
		s.paths, err = resolve(s.o.Source, s.o.Mountpoint, s.o.Destination)
	}
	return err
}

// start begins to apply, to capture and to serve.
func (s *server) start() (err error) {
	if err := dirty(s.folder); err != nil {
		return fmt.Errorf("note the beginning: %w", err)
	}
	if s.journal.Seq() == 0 {
		if err := s.begin(); err != nil {
			return err
		}
	}
	if s.applier, err = newApplier(s.folder, s.kept.config, s.source, s.journal); err != nil {
		return err
	}
	s.applier.diverged = func() { s.noteUnknown("in the replica") }
	fed := make(chan struct{})
	s.later(func() { close(fed) })
	go s.applier.feed(fed)
	go s.applier.supervise()
	if err := s.applier.waitApplied(s.journal.Seq()); err != nil {
		return err
	}
	s.master = hooks.NewMaster(func(c *hooks.Call, m hooks.Info, v hooks.Verdict) {
		slog.Warn("refused", "module", m.Name, "operation", c.Op.String(), "error", v.Errno.Error(), "why", v.Hint)
	})
	if s.control, err = control.Listen(s.folder.Control()); err != nil {
		return err
	}
	s.later(func() { s.control.Close() })
	s.handle()
	go func() {
		if err := s.control.Serve(); err != nil {
			slog.Error("control socket", "error", err)
		}
	}()
	return s.mount()
}

// begin writes the journal's first record, which is the root's id.
func (s *server) begin() error {
	rec := &journal.Record{Op: journal.Begin, Object: 1, Text: s.kept.config.UUID}
	if err := s.journal.Reserve(rec.Size()); err != nil {
		return err
	}
	defer s.journal.Release(rec.Size())
	_, err := s.journal.Append(rec)
	return err
}

// mount attaches the view and, before anything can be changed through it, compares source and replica.
func (s *server) mount() (err error) {
	s.views = view.NewServer(s.master)
	s.view, err = s.views.Add(view.Options{Name: "klw-replicafs", Source: s.paths.source, Inside: "/", Cached: true, Ordered: true})
	if err != nil {
		return err
	}
	s.module = capture.New(capture.Options{
		Journal: s.journal, Disk: s.o.Ack == ops.AckDisk, Root: s.view.Root().Key(),
		Unknown: s.noteUnknown, Wait: time.Sleep, Patience: fullJournal,
	})
	if _, err := s.master.Register(s.module); err != nil {
		return err
	}
	err = s.module.Exclusive(func() error {
		if err := s.view.AttachTo(s.paths.mountpoint); err != nil {
			return err
		}
		return s.compare(!s.kept.clean, s.kept.since, s.kept.why())
	})
	if err != nil {
		return err
	}
	s.set("running")
	go s.watchUnknown()
	return nil
}

// wait returns when the server is to end.
func (s *server) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.view.Done():
	case <-s.quit:
	}
}

// ask asks the server to end.
func (s *server) ask() { s.once.Do(func() { close(s.quit) }) }

// stop ends in good order: nothing of the mount is left, and the replica has everything on disk.
func (s *server) stop() error {
	s.set("stopping")
	s.ask()
	err := s.unmount()
	if finishErr := s.applier.finish(stuck); finishErr != nil {
		return errors.Join(err, finishErr)
	}
	if closeErr := s.journal.Close(); closeErr != nil {
		return errors.Join(err, closeErr)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(s.master.Unregister("replicate"), s.master.Close()); err != nil {
		return err
	}
	slog.Info("replication ended", "source", s.paths.source, "sequence", s.journal.Seq())
	return cleanEnd(s.folder)
}

// unmount takes the mount away and waits until nobody uses it.
func (s *server) unmount() error {
	select {
	case <-s.view.Done():
		return nil
	default:
	}
	err := unix.Unmount(s.paths.mountpoint, 0)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(s.paths.mountpoint, unix.MNT_DETACH)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount %s: %w", s.paths.mountpoint, err)
	}
	if !s.left(leaveTime) {
		slog.Warn("programs still use the mount: their files are closed", "mountpoint", s.paths.mountpoint)
	}
	return s.endView(0)
}

// left waits until nobody uses the mount, and tells whether it is so.
func (s *server) left(patience time.Duration) bool {
	select {
	case <-s.view.Done():
		return true
	case <-time.After(patience):
		return false
	}
}

// endView ends the view's session, by force after the time patience.
func (s *server) endView(patience time.Duration) error {
	if s.left(patience) {
		return nil
	}
	if err := s.view.Abort(); err != nil {
		return err
	}
	<-s.view.Done()
	return nil
}

// abandon ends a start that failed.
func (s *server) abandon() {
	s.ask()
	if s.view != nil {
		_ = unix.Unmount(s.paths.mountpoint, unix.MNT_DETACH)
		_ = s.endView(2 * time.Second)
	}
	if s.applier != nil {
		_ = s.applier.finish(5 * time.Second)
	}
}

func (s *server) set(state string) {
	s.mu.Lock()
	s.state = state
	s.mu.Unlock()
}
