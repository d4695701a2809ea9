package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// Kill kills every process of the group and waits until it is empty.
func (p Paths) Kill(wait time.Duration) error {
	if empty, err := p.Empty(); err != nil || empty {
		return err
	}
	p.thaw()
	for pause, deadline := time.Millisecond, time.Now().Add(wait); ; pause = min(2*pause, 50*time.Millisecond) {
		if err := p.signalAll(unix.SIGKILL); err != nil {
			return err
		}
		empty, err := p.Empty()
		if err != nil || empty {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cgroup %s: processes are still there %v after SIGKILL", p.any(), wait)
		}
		time.Sleep(pause)
	}
}

// Signal sends a signal to every process of the group.
func (p Paths) Signal(sig unix.Signal) error { return p.signalAll(sig) }

func (p Paths) signalAll(sig unix.Signal) error {
	if v2 := p.V2(); sig == unix.SIGKILL && v2 != "" {
		// Kills forks in flight too. A kernel without the file (before 5.14) is left to the loop.
		_ = os.WriteFile(filepath.Join(v2, "cgroup.kill"), []byte("1"), 0)
	}
	pids, err := p.pids()
	if err != nil {
		return err
	}
	for pid := range pids {
		if err := unix.Kill(pid, sig); err != nil && err != unix.ESRCH {
			return fmt.Errorf("signal process %d: %w", pid, err)
		}
	}
	return nil
}

// Empty says whether no process is in the group. What doesn't exist is empty.
func (p Paths) Empty() (bool, error) {
	pids, err := p.pids()
	return len(pids) == 0, err
}

// PIDs gives the processes of the group, as the caller's pid namespace sees them.
func (p Paths) PIDs() ([]int, error) {
	set, err := p.pids()
	list := make([]int, 0, len(set))
	for pid := range set {
		list = append(list, pid)
	}
	return list, err
}

// pids looks at the v2 and the devices cgroup: the first knows every process, the second those that a container with a
// writable v2 file system moved away. Zero stands for processes of a foreign pid namespace and is left out.
func (p Paths) pids() (map[int]bool, error) {
	set := map[int]bool{}
	for _, name := range []string{"", "devices"} {
		dir := p[name]
		if dir == "" {
			continue
		}
		list, err := cgroups.GetAllPids(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
			return nil, fmt.Errorf("list the processes of cgroup %s: %w", dir, err)
		}
		for _, pid := range list {
			if pid > 0 {
				set[pid] = true
			}
		}
	}
	return set, nil
}

// thaw lets frozen processes die: the v1 freezer holds even SIGKILL back.
func (p Paths) thaw() {
	if dir := p["freezer"]; dir != "" {
		_ = os.WriteFile(filepath.Join(dir, "freezer.state"), []byte("THAWED"), 0)
	}
}
