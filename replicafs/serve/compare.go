package serve

import (
	"fmt"
	"log/slog"
	"time"

	"klw/replicafs/ops"
	"klw/replicafs/reconcile"
)

// compare journals what the replica has otherwise than the source. It runs inside Module.Exclusive, when the applier
// has applied everything.
func (s *server) compare(full bool, since time.Time, why string) error {
	s.applier.mu.Lock()
	copied := s.applier.fetched + s.applier.progress.Fetched
	s.applier.mu.Unlock()
	began := time.Now()
	res, err := reconcile.Run(reconcile.Options{
		Journal: s.journal, Source: s.source, Replica: s.paths.destination, Full: full, Since: since,
		Identify: s.view.Identify, SetID: s.module.SetID, Open: s.module.Orphan, Why: why,
		Wait: s.waitForRoom(),
	})
	if err != nil {
		return err
	}
	slog.Info("compared", "why", why, "objects", res.Objects, "changes", res.Changes, "files", res.Files, "took", time.Since(began))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copy, s.copied, s.copyTo = nil, copied, s.journal.Seq()
	if res.Files > 0 {
		s.copy = &ops.Progress{Files: res.Files, Bytes: res.Bytes}
	}
	return nil
}

// waitForRoom waits for the applier to take from a full journal, as long as it gets on.
func (s *server) waitForRoom() func() error {
	var last uint64
	since := time.Now()
	return func() error {
		s.applier.mu.Lock()
		durable := s.applier.progress.Durable
		s.applier.mu.Unlock()
		if durable != last {
			last, since = durable, time.Now()
		}
		if time.Since(since) > stuck {
			return fmt.Errorf("%w: the journal stays full", errApplier)
		}
		time.Sleep(20 * time.Millisecond)
		return nil
	}
}

// noteUnknown is told that something was changed past the mount.
func (s *server) noteUnknown(path string) {
	select {
	case s.unknown <- path:
	default:
	}
}

// watchUnknown compares again when something was changed past the mount, at most a tenth of the time.
func (s *server) watchUnknown() {
	for {
		var path string
		select {
		case <-s.quit:
			return
		case path = <-s.unknown:
		}
		slog.Warn("changed past the mount, comparing", "path", path)
		began := time.Now()
		if err := s.compareAgain(false, "changed past the mount: "+path); err != nil {
			slog.Error("compare again", "error", err)
		}
		select {
		case <-s.quit:
			return
		case <-time.After(100*time.Millisecond + 10*time.Since(began)):
		}
	}
}

// compareAgain compares source and replica while the server is at work.
func (s *server) compareAgain(full bool, why string) error {
	if err := s.applier.waitApplied(s.journal.Seq()); err != nil { // most of it while changes go on
		return err
	}
	return s.module.Exclusive(func() error {
		if err := s.applier.waitApplied(s.journal.Seq()); err != nil {
			return err
		}
		s.module.Reset()
		s.mu.Lock()
		s.resync++
		s.mu.Unlock()
		return s.compare(full, time.Time{}, why)
	})
}
