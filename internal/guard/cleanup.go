package guard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/audit"
	"klw/internal/handshake"
	"klw/internal/layout"
)

// Limits of Cleanup's patience.
const (
	guardTime = 5 * time.Second  // for a living guard to end after SIGTERM
	deadTime  = 10 * time.Second // for a killed process to be gone
	stuckTime = time.Second      // of which it may take so much before it counts as waiting for itself
)

// Cleanup is the program "klw-guard cleanup": it ends the guard of a container and undoes what it left. All of it is
// tried, whatever fails; it can be run again.
func Cleanup(ctx context.Context, root layout.Root, id string) error {
	if id == "" || id != filepath.Base(id) || strings.HasPrefix(id, ".") {
		return fmt.Errorf("%q can't be a container's id", id)
	}
	dir := root.Container(id)
	t, err := readTraces(dir)
	if err != nil {
		return err
	}
	if t == nil {
		return removeSockets(dir)
	}
	if err := tellDeath(root, id, t.Guard); err != nil {
		return err
	}
	if err := endProcess(ctx, t.Guard, guardTime); err != nil {
		return fmt.Errorf("end the guard: %w", err)
	}
	err = errors.Join(
		cleanReplicas(ctx, t.Replicafs),
		cleanLink(t),
		cleanCgroup(ctx, t.Cgroup),
		removeSockets(dir),
	)
	if err != nil {
		return err
	}
	return (&traces{path: dir.Guard()}).remove()
}

// tellDeath records that a guard had died before its time, which it couldn't tell itself.
func tellDeath(root layout.Root, id string, guard handshake.Process) error {
	f, err := guard.Open()
	if err == nil {
		return f.Close()
	}
	log, err := audit.Open(root.Events(), id, audit.Options{})
	if err != nil {
		return err
	}
	log.Record(audit.Event{
		PID: uint32(guard.PID), Operation: audit.OpStop, Module: "guard", Decision: audit.Notice,
		Hint: "the guard was killed or could not end in order: from then on the container's files were closed and nothing was recorded",
	})
	return log.Close()
}

// endProcess asks a process to end, waits, and kills it if it doesn't. One that is gone is no error.
func endProcess(ctx context.Context, p handshake.Process, patience time.Duration) error {
	f, err := p.Open()
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for _, try := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{unix.SIGTERM, patience}, {unix.SIGKILL, stuckTime}} {
		err := unix.PidfdSendSignal(int(f.Fd()), try.signal, nil, 0)
		if errors.Is(err, unix.ESRCH) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("signal process %d: %w", p.PID, err)
		}
		if gone(ctx, f, try.wait) {
			return nil
		}
	}
	unstick(p.PID)
	if gone(ctx, f, deadTime) {
		return nil
	}
	return fmt.Errorf("process %d doesn't end", p.PID)
}

// gone waits for a process to have ended.
func gone(ctx context.Context, pidfd *os.File, patience time.Duration) bool {
	end := time.Now().Add(patience)
	for {
		fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(min(100*time.Millisecond, max(0, time.Until(end))).Milliseconds()))
		if n > 0 {
			return true
		}
		if err != nil && err != unix.EINTR || ctx.Err() != nil || !time.Now().Before(end) {
			return false
		}
	}
}

// cleanCgroup kills what is left in the guard's own cgroup (helpers whose number was not yet written down) and
// removes it.
func cleanCgroup(ctx context.Context, path string) error {
	if path == "" || !strings.Contains(path, "/klw-guard/") || !isCgroup2(path) {
		return nil
	}
	if err := os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("kill the guard's helpers: %w", err)
	}
	c, err := openCgroup(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, deadTime)
	defer cancel()
	if err := c.waitEmpty(ctx); err != nil {
		return fmt.Errorf("the guard's cgroup %s: %w", path, err)
	}
	if err := unix.Rmdir(path); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove the guard's cgroup %s: %w", path, err)
	}
	return nil
}

// removeSockets removes the sockets that nobody listens on any more.
func removeSockets(dir layout.Dir) error {
	var all error
	for _, name := range []string{dir.Control(), dir.Seccomp()} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}
