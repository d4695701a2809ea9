package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/internal/layout"
	"klw/runtime/guard"
	"klw/runtime/hook"
)

// Time that a guard gets to end by itself after the container's last process (it may have a replica to drain), or when
// the container was never made, and that processes get before the guard is killed under them: one that hangs in a view
// can't die while it is served.
const (
	guardTime = time.Minute
	undoTime  = 2 * time.Second
	stuckTime = 3 * time.Second
	hookTime  = time.Second // for a klw-runc to notice that the container it creates is gone
)

// Delete removes a container and everything that was made for it. One that is running is an error unless force is set;
// then neither is one that doesn't exist or was only half made.
func Delete(root layout.Root, id string, force bool, warn func(string)) error {
	if err := CheckID(id); err != nil {
		return err
	}
	c := &Container{ID: id, Root: root, Dir: root.Container(id)}
	wait := patience
	if force {
		wait = stuckTime
	}
	unlock, err := c.lockWithin(wait)
	if force && errors.Is(err, errBusy) {
		unlock, err = c.takeLock()
	}
	if err != nil {
		if force && errors.Is(err, ErrNotExist) {
			return nil
		}
		return err
	}
	defer unlock()
	err = c.reload()
	switch {
	case errors.Is(err, ErrNotExist):
		// klw-runc was killed between making the folder and writing the state: nothing else was made.
		c.State = &State{}
	case err != nil && !force:
		return err
	case err != nil:
		return fmt.Errorf("%w; see what is in its cgroups, then remove %s by hand", err, c.Dir)
	}
	if status := c.Status(); !force && status != specs.StateStopped && status != specs.StateCreated {
		return fmt.Errorf("cannot delete container %s: it is %s, not stopped (kill it first, or use --force)", id, status)
	}
	return c.destroy(warn)
}

// takeLock takes the lock from a klw-runc that waits for the container: whoever is in there can stop a process that
// enters it before it executes. Without processes there is nothing to wait for.
func (c *Container) takeLock() (unlock func(), err error) {
	if err := c.reload(); err != nil {
		return nil, err
	}
	if err := c.killAll(); err != nil {
		return nil, err
	}
	if c.State.Done {
		return c.lock()
	}
	if unlock, err = c.lockWithin(hookTime); !errors.Is(err, errBusy) {
		return unlock, err
	}
	// It is still being created, by a klw-runc that waits for something else: a hook without a timeout.
	if f, err := c.State.Creator.Open(); err == nil {
		_ = unix.PidfdSendSignal(int(f.Fd()), unix.SIGKILL, nil, 0)
		f.Close()
	}
	return c.lock()
}

// destroy undoes what State says was made, then runs the poststop hooks, whose failure is a warning. It is what a
// failed Create does too.
func (c *Container) destroy(warn func(string)) error {
	if err := c.killAll(); err != nil {
		return err
	}
	if c.State.Policy != "" {
		if err := c.endGuard(); err != nil {
			return err
		}
	}
	if err := c.State.Cgroups.Remove(); err != nil {
		return err
	}
	hooks := &specs.Hooks{}
	if c.State.Hooked {
		var err error
		if hooks, err = c.hooks(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.RemoveAll(string(c.Dir)); err != nil {
		return fmt.Errorf("remove the state: %w", err)
	}
	if err := hook.RunAll("poststop", hooks.Poststop, c.State.oci(specs.StateStopped)); err != nil {
		warn(err.Error())
	}
	return nil
}

// killAll ends every process of the container.
func (c *Container) killAll() error {
	if alive(c.State.Init) { // not yet, or no longer, in its cgroups
		if f, err := c.State.Init.Open(); err == nil {
			_ = unix.PidfdSendSignal(int(f.Fd()), unix.SIGKILL, nil, 0)
			f.Close()
		}
	}
	if c.State.Policy == "" {
		return c.State.Cgroups.Kill(killTime)
	}
	if c.State.Cgroups.Kill(stuckTime) == nil {
		return nil
	}
	if err := c.State.GuardCgroup.Kill(killTime); err != nil {
		return err
	}
	return c.State.Cgroups.Kill(killTime)
}

// endGuard waits for the guard to end, or ends it, and undoes what it left.
func (c *Container) endGuard() error {
	patience := guardTime
	if !c.State.Done {
		patience = undoTime
	}
	if c.State.Guard != nil {
		guard.Wait(*c.State.Guard, patience)
	}
	// Cleanup ends a guard that is still there, and its helpers in their order. What then remains is killed. A guard
	// that ended well took its traces along: there is nothing to clean up.
	var cleanErr error
	if _, err := os.Lstat(c.Dir.Guard()); err == nil || c.State.Guard != nil && alive(*c.State.Guard) {
		cleanErr = guard.Cleanup(c.Root, c.ID)
	}
	if err := c.State.GuardCgroup.Kill(killTime); err != nil {
		return errors.Join(cleanErr, err)
	}
	return errors.Join(cleanErr, c.State.GuardCgroup.Remove())
}
