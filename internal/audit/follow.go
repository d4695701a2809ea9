package audit

import (
	"context"
	"io"
	"os"
	"time"
)

// Follow gives the events of the log since a time (zero: all), oldest first, and then, if live, those that come, until
// ctx or the log ends. It reads the file, so that a slow follower costs no memory and holds nobody up. An error of
// each ends it.
func (l *Log) Follow(ctx context.Context, since time.Time, live bool, each func(Event) error) error {
	f := &follower{log: l}
	defer f.close()
	for {
		part, err := f.next()
		if err != nil {
			return err
		}
		if part.missed > 0 {
			e := lostEvent(part.missed)
			l.complete(&e)
			if err := each(e); err != nil {
				return err
			}
		}
		if err := scan(part.text, since, each); err != nil {
			return err
		}
		if part.more {
			continue
		}
		if !live || part.ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-part.changed:
		}
	}
}

// follower is a place in the log.
type follower struct {
	log  *Log
	file *os.File
	gen  uint64 // of file; 0: before the first
	off  int64
}

// part is what a follower reads in one go.
type part struct {
	text    io.Reader // whole lines
	missed  uint64    // lines that went away before
	more    bool      // there is a later file
	ended   bool
	changed <-chan struct{}
}

// next gives what was written since the last call.
func (f *follower) next() (part, error) {
	f.log.fileMu.Lock()
	defer f.log.fileMu.Unlock()
	s := f.log.file
	p := part{changed: f.log.changed, ended: f.log.ended}
	if f.file == nil || f.atEnd(s) {
		missed, err := f.open(s)
		if err != nil {
			return p, err
		}
		p.missed = missed
	}
	size := s.size
	if f.gen < s.gen {
		p.more = true
		info, err := f.file.Stat()
		if err != nil {
			return p, err
		}
		size = info.Size()
	}
	p.text = io.NewSectionReader(f.file, f.off, size-f.off)
	f.off = size
	return p, nil
}

// atEnd tells whether the file is read to its end and a later one exists.
func (f *follower) atEnd(s *store) bool {
	if f.gen >= s.gen {
		return false
	}
	info, err := f.file.Stat()
	return err != nil || f.off >= info.Size()
}

// open goes to the oldest file that is kept and comes after this one, and tells how many lines lay between.
func (f *follower) open(s *store) (missed uint64, err error) {
	f.close()
	oldest, name := s.gen, current(s.dir, s.id)
	if old, statErr := os.Stat(previous(s.dir, s.id)); statErr == nil && old != nil && f.gen+1 < s.gen {
		oldest, name = s.gen-1, previous(s.dir, s.id)
	}
	if f.gen > 0 {
		for gen := f.gen + 1; gen < oldest; gen++ {
			missed += s.inGen[gen]
		}
	}
	file, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	f.file, f.gen, f.off = file, oldest, 0
	return missed, nil
}

func (f *follower) close() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}
