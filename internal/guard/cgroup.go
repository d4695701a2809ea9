package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup watches whether a v2 cgroup, with all below it, has processes.
type cgroup struct {
	events *os.File
}

func openCgroup(path string) (*cgroup, error) {
	if !isCgroup2(path) {
		return nil, fmt.Errorf("%s isn't a cgroup of version 2, which a guarded container needs", path)
	}
	f, err := os.Open(filepath.Join(path, "cgroup.events"))
	if err != nil {
		return nil, fmt.Errorf("watch the container's cgroup: %w", err)
	}
	return &cgroup{events: f}, nil
}

func (c *cgroup) close() { c.events.Close() }

// populated tells whether there are processes. A cgroup that was removed has none.
func (c *cgroup) populated() (bool, error) {
	buf := make([]byte, 256)
	n, err := c.events.ReadAt(buf, 0)
	if errors.Is(err, unix.ENODEV) {
		return false, nil
	}
	if n == 0 && err != nil {
		return false, fmt.Errorf("read the container's cgroup.events: %w", err)
	}
	return strings.Contains(string(buf[:n]), "populated 1"), nil
}

// waitEmpty returns when there are no processes, or ctx ends. The kernel wakes us (POLLPRI); looking again now and
// then costs nothing and doesn't trust that alone.
func (c *cgroup) waitEmpty(ctx context.Context) error {
	stop, err := newStopper(ctx)
	if err != nil {
		return err
	}
	defer stop.close()
	for {
		full, err := c.populated()
		if err != nil || !full {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fds := []unix.PollFd{
			{Fd: int32(c.events.Fd()), Events: unix.POLLPRI},
			{Fd: int32(stop.r.Fd()), Events: unix.POLLIN},
		}
		if _, err := unix.Poll(fds, int(2*time.Second/time.Millisecond)); err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for the container's cgroup: %w", err)
		}
	}
}

// checkMember makes sure that a process is in a cgroup: rules that are attached there hold nobody else.
func checkMember(path string, pid int) error {
	text, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("look for the container's process in its cgroup: %w", err)
	}
	if !slices.Contains(strings.Fields(string(text)), strconv.Itoa(pid)) {
		return fmt.Errorf("the container's first process %d is not in its cgroup %s: the socket rules would not hold it", pid, path)
	}
	return nil
}

// stopper is a descriptor that becomes readable when a context ends.
type stopper struct {
	r, w *os.File
	stop func() bool
}

func newStopper(ctx context.Context) (*stopper, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &stopper{r: r, w: w, stop: context.AfterFunc(ctx, func() { _, _ = w.Write([]byte{0}) })}, nil
}

func (s *stopper) close() {
	s.stop()
	s.w.Close()
	s.r.Close()
}
