package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// current and previous name the two files of a container's log.
func current(dir, id string) string  { return filepath.Join(dir, id+".jsonl") }
func previous(dir, id string) string { return current(dir, id) + ".1" }

// store is a bounded file: when it is full it becomes the previous one, and that one goes. Files are numbered by
// generations, so that a follower knows which it has read: the first that this store writes is firstGen, what was the
// previous file then is the one before.
type store struct {
	dir, id string
	limit   int64
	file    *os.File
	size    int64
	gen     uint64
	lines   uint64            // written by this store
	inGen   map[uint64]uint64 // lines by generation
}

const firstGen = 2

func openStore(dir, id string, limit int64) (*store, error) {
	if id == "" || id != filepath.Base(id) || id[0] == '.' {
		return nil, fmt.Errorf("%q can't name a log", id)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &store{dir: dir, id: id, limit: limit, gen: firstGen, inGen: map[uint64]uint64{}}
	return s, s.open()
}

// open opens the current file for appending, after a whole line.
func (s *store) open() error {
	f, err := os.OpenFile(current(s.dir, s.id), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil {
		s.file, s.size = f, info.Size()
		err = s.endLine()
	}
	if err != nil {
		f.Close()
	}
	return err
}

// endLine ends a line that a killed guard or a full disk left unfinished.
func (s *store) endLine() error {
	if s.size == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := s.file.ReadAt(last, s.size-1); err != nil && err != io.EOF {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	n, err := s.file.Write([]byte("\n"))
	s.size += int64(n)
	return err
}

// append adds a line, whole or not at all.
func (s *store) append(line []byte) error {
	if s.size > 0 && s.size+int64(len(line)) > s.limit {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	n, err := s.file.Write(line)
	if err != nil {
		if n > 0 {
			if cut := s.file.Truncate(s.size); cut != nil {
				s.size += int64(n)
				err = errors.Join(err, cut)
			}
		}
		return err
	}
	s.size += int64(n)
	s.lines++
	s.inGen[s.gen]++
	return nil
}

func (s *store) rotate() error {
	err := os.Rename(current(s.dir, s.id), previous(s.dir, s.id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // not there: renamed before, but then open failed
		return err
	}
	old := s.file
	if err := s.open(); err != nil {
		return err
	}
	old.Close()
	s.gen++
	return nil
}

func (s *store) close() error { return s.file.Close() }
