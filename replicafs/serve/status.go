package serve

import (
	"context"
	"os"
	"time"

	"klw/internal/control"
	"klw/replicafs/compare"
	"klw/replicafs/ops"
)

// handle registers the control methods.
func (s *server) handle() {
	control.Handle(s.control, control.MethodReplicaStatus, func(context.Context, struct{}) (ops.Status, error) {
		return s.status(), nil
	})
	control.Handle(s.control, control.MethodReplicaVerify, func(ctx context.Context, _ struct{}) (ops.Report, error) {
		return s.verify(ctx)
	})
	control.Handle(s.control, control.MethodModuleList, func(context.Context, struct{}) ([]control.Module, error) {
		return s.modules(), nil
	})
	control.Handle(s.control, ops.MethodResync, func(context.Context, struct{}) (struct{}, error) {
		if err := s.ready(); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.compareAgain(true, "asked for")
	})
	control.Handle(s.control, ops.MethodStop, func(context.Context, struct{}) (struct{}, error) {
		s.ask()
		return struct{}{}, nil
	})
}

// modules lists the master's modules.
func (s *server) modules() []control.Module {
	list := []control.Module{}
	for _, e := range s.master.Modules() {
		list = append(list, control.Module{ID: uint32(e.ID), Name: e.Name, Description: e.Description,
			Monitors: e.Monitors.String(), Master: "replicafs", Loaded: true, Permanent: e.Permanent, Calls: e.Calls, Refused: e.Refused})
	}
	return list
}

// ready refuses what takes a mount that serves.
func (s *server) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != "running" {
		return control.Errorf(control.CodeConflict, "the replication is %s", s.state)
	}
	return nil
}

func (s *server) status() ops.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.applier
	a.mu.Lock()
	defer a.mu.Unlock()
	st := ops.Status{
		Name: s.folder.Name(), Source: s.paths.source, Mountpoint: s.paths.mountpoint, Destination: s.paths.destination,
		Ack: s.o.Ack, State: s.state, PID: os.Getpid(), Applier: a.pid, Restarts: a.restarts, Since: s.since,
		Sequence: s.journal.Seq(), Applied: a.progress.Applied, Durable: a.progress.Durable, Resyncs: s.resync,
		Error: a.failure, Note: a.progress.Note,
	}
	if err := s.journal.Broken(); err != nil && s.state == "running" {
		st.State, st.Error = "failed", err.Error()
	}
	if st.Sequence > st.Applied {
		st.Lag = st.Sequence - st.Applied
		if len(a.marks) > 0 {
			st.LagSeconds = time.Since(a.marks[0].time).Seconds()
		}
	}
	if s.copy != nil && st.Applied < s.copyTo {
		c := *s.copy
		c.FilesDone = min(a.fetched+a.progress.Fetched-s.copied, c.Files)
		st.Copy = &c
		if s.state == "running" {
			st.State = "copying"
		}
	}
	return st
}

// verify compares source and replica. Most of it happens while changes go on; what seems to differ is looked at again
// when everything is applied and nothing changes.
func (s *server) verify(ctx context.Context) (ops.Report, error) {
	if err := s.ready(); err != nil {
		return ops.Report{}, err
	}
	if err := s.applier.waitApplied(s.journal.Seq()); err != nil {
		return ops.Report{}, err
	}
	c := compare.New(s.source.FD, s.paths.destination)
	if err := c.All(ctx); err != nil {
		return ops.Report{}, err
	}
	rep := ops.Report{Source: s.paths.source, Destination: s.paths.destination, Objects: c.Objects, Bytes: c.Bytes,
		Differences: []ops.Difference{}}
	err := s.module.Exclusive(func() error {
		rep.Sequence = s.journal.Seq()
		if err := s.applier.waitApplied(rep.Sequence); err != nil {
			return err
		}
		diffs, err := c.Again(ctx)
		rep.Differences = append(rep.Differences, diffs...)
		return err
	})
	return rep, err
}
