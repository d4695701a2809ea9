package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"time"

	"klw/bundle"
	"klw/internal/handshake"
	"klw/internal/layout"
	"klw/runtime/cgroup"
	"klw/runtime/guard"
	"klw/runtime/launch"
)

// Stdio is what a process has besides its files. The descriptors stay the caller's.
type Stdio struct {
	Stdin, Stdout, Stderr *os.File // nil: /dev/null; not used with a terminal
	Console               *os.File // connected UNIX socket that gets the terminal's master, if the process has one
	PreserveFDs           int      // the caller's descriptors from 3 on that are passed on
}

// CreateOptions say which container is to be made.
type CreateOptions struct {
	Root   layout.Root
	ID     string
	Bundle *bundle.Bundle // Create may change its Spec
	Stdio  Stdio

	// Run starts the application at once: what Start does is done when Create returns.
	Run          bool
	Learn        bool // the guard refuses nothing and records what is used, from the first instruction on
	NoPivot      bool
	NoNewKeyring bool
	Warn         func(string) // may be nil
}

// Create makes a container. The process that it gives is the caller's child: klw-init, waiting to be started.
func Create(o CreateOptions) (*Container, *launch.Init, error) {
	if err := CheckID(o.ID); err != nil {
		return nil, nil, err
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	c := &creation{o: o, Container: &Container{ID: o.ID, Root: o.Root, Dir: o.Root.Container(o.ID)}}
	if err := c.prepare(); err != nil {
		return nil, nil, err
	}
	if err := c.makeFolder(); err != nil {
		return nil, nil, err
	}
	unlock, err := c.lock()
	if err == nil {
		defer unlock()
		err = c.make()
	}
	c.release()
	if err != nil {
		return nil, nil, c.undo(err)
	}
	return c.Container, c.init, nil
}

// creation is a container in the making.
type creation struct {
	*Container
	o        CreateOptions
	group    *cgroup.Group
	confined *confinement // empty without a policy
	config   *launch.Config
	guard    *guard.Guard
	closers  []*os.File
	init     *launch.Init
}

// prepare checks everything that can be checked without making anything.
func (c *creation) prepare() error {
	b := c.o.Bundle
	var err error
	c.confined = &confinement{}
	if b.Policy != nil {
		if err := guard.Preflight(); err != nil {
			return err
		}
		if _, err := cgroup.Mount(); err != nil {
			return err
		}
		if c.confined, err = confine(b, c.o.Warn); err != nil {
			return err
		}
		if err := checkUser(b.Policy, b.Rootfs, b.Spec.Process.User.UID); err != nil {
			return err
		}
	}
	if c.group, err = cgroup.New(c.ID, b.Spec, c.confined.denied...); err != nil {
		return err
	}
	c.config = &launch.Config{Spec: b.Spec, Bundle: b.Dir, ID: c.ID, Fifo: !c.o.Run, NoPivot: c.o.NoPivot,
		NoNewKeyring: c.o.NoNewKeyring, NoDevices: c.confined.noDevices, Sure: c.confined.sure}
	return filters(c.config, b, c.confined.noQueues)
}

// makeFolder makes the container's folder. An id is taken exactly if its folder exists.
func (c *creation) makeFolder() error {
	if err := os.MkdirAll(c.Root.Containers(), 0o700); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	err := os.Mkdir(string(c.Dir), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("container %s already exists: choose another id, or remove it by klw-runc delete", c.ID)
	}
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return nil
}

func (c *creation) make() error {
	if err := c.group.Paths.Free(); err != nil {
		return err
	}
	if err := c.writeState(); err != nil {
		return err
	}
	if err := c.group.Create(); err != nil {
		return err
	}
	if c.o.Bundle.Policy != nil {
		if err := c.startGuard(); err != nil {
			return err
		}
	}
	return c.startInit()
}

// writeState writes down what is going to be made.
func (c *creation) writeState() error {
	b := c.o.Bundle
	creator, err := handshake.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	c.State = &State{
		Version: stateVersion, ID: c.ID, OCIVersion: b.Spec.Version, Bundle: b.Dir, Rootfs: b.Rootfs,
		Annotations: b.Spec.Annotations, Created: time.Now().UTC(), Owner: owner(), Creator: creator, Cgroups: c.group.Paths,
	}
	if b.Policy != nil {
		c.State.Policy, c.State.MayTrace = b.Policy.Texts.File, may(b.Spec.Process.Capabilities, tracing)
		if c.State.GuardCgroup, err = cgroup.Guard(c.ID); err != nil {
			return err
		}
		if err := writePolicy(c.Dir, b.Policy); err != nil {
			return err
		}
	}
	if err := replaceFile(c.Dir.Config(), b.Config); err != nil {
		return err
	}
	return c.State.write(c.Dir)
}

func owner() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// undo removes everything after a failure and gives the error that led to it.
func (c *creation) undo(cause error) error {
	if c.init != nil {
		_ = c.init.Kill()
		c.init.Close()
	}
	if c.State == nil {
		c.State = &State{}
	}
	if err := c.destroy(c.o.Warn); err != nil {
		return fmt.Errorf("%w (and cleaning up failed: %w)", cause, err)
	}
	return cause
}
