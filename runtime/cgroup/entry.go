package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Entry is a group opened for a process to be made in it: no process is ever moved, which would cost an RCU grace
// period (some 10 ms).
type Entry struct {
	V2    *os.File   // the v2 cgroup's folder, for clone; nil on a host without v2
	Tasks []*os.File // of v1: a thread that writes "0" here enters
}

// Open opens the group. Close the entry when the process is there.
func (p Paths) Open() (*Entry, error) {
	e := &Entry{}
	for name, dir := range p {
		if dir == "" {
			continue
		}
		f, err := open(name, dir)
		if errors.Is(err, fs.ErrNotExist) && name != "" {
			continue // a named hierarchy (systemd's) that the manager could not use
		}
		if err != nil {
			e.Close()
			return nil, fmt.Errorf("open cgroup %s: %w", dir, err)
		}
		if name == "" {
			e.V2 = f
		} else {
			e.Tasks = append(e.Tasks, f)
		}
	}
	return e, nil
}

func open(name, dir string) (*os.File, error) {
	if name == "" {
		return os.Open(dir)
	}
	return os.OpenFile(filepath.Join(dir, "tasks"), os.O_WRONLY, 0)
}

// Close closes its files.
func (e *Entry) Close() {
	if e.V2 != nil {
		e.V2.Close()
	}
	for _, f := range e.Tasks {
		f.Close()
	}
}
