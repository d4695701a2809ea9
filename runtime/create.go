package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/bundle"
	"klw/internal/handshake"
	"klw/internal/layout"
	"klw/runtime/cgroup"
	"klw/runtime/guard"
	"klw/runtime/hook"
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
	o       CreateOptions
	group   *cgroup.Group
	views   []handshake.Mount
	config  *launch.Config
	guard   *guard.Guard
	closers []*os.File
	init    *launch.Init
}

// prepare checks everything that can be checked without making anything.
func (c *creation) prepare() error {
	b := c.o.Bundle
	var err error
	if b.Policy != nil {
		if err := guard.Preflight(); err != nil {
			return err
		}
		if _, err := cgroup.Mount(); err != nil {
			return err
		}
		if c.views, err = confine(b, c.o.Warn); err != nil {
			return fmt.Errorf("config.json: %w", err)
		}
		if err := checkUser(b.Policy, b.Rootfs, b.Spec.Process.User.UID); err != nil {
			return err
		}
	}
	if c.group, err = cgroup.New(c.ID, b.Spec); err != nil {
		return err
	}
	c.config = &launch.Config{Spec: b.Spec, Bundle: b.Dir, ID: c.ID, Fifo: !c.o.Run, NoPivot: c.o.NoPivot, NoNewKeyring: c.o.NoNewKeyring}
	return filters(c.config, b)
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
		c.State.Policy = b.Policy.File
		if c.State.GuardCgroup, err = cgroup.Guard(c.ID); err != nil {
			return err
		}
		if err := replaceFile(c.Dir.Policy(), b.Policy.Text, 0o600); err != nil {
			return err
		}
	}
	if err := replaceFile(c.Dir.Config(), b.Config, 0o600); err != nil {
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

func (c *creation) startGuard() error {
	dir, err := c.State.GuardCgroup.MakeV2()
	if err != nil {
		return err
	}
	defer dir.Close()
	if c.guard, err = guard.Start(c.Dir, dir); err != nil {
		return err
	}
	c.State.Guard = &c.guard.Process
	return c.State.write(c.Dir)
}

// startInit makes the first process and takes it to where it waits for start.
func (c *creation) startInit() error {
	o, err := c.launchOptions()
	if err != nil {
		return err
	}
	entry, err := c.State.Cgroups.Open()
	if err != nil {
		return err
	}
	o.Cgroup, o.Tasks = entry.V2, entry.Tasks
	c.init, err = launch.Start(o)
	entry.Close()
	if err != nil {
		return err
	}
	pid := c.init.PID()
	if c.State.Init, err = handshake.FindProcess(pid); err != nil {
		return err
	}
	if c.guard != nil {
		net := bundle.Namespace(c.o.Bundle.Spec, specs.NetworkNamespace)
		if err := c.guard.Attach(&handshake.Attach{PID: pid, NewNet: net != nil && net.Path == ""}); err != nil {
			return err
		}
	}
	return c.steps()
}

// steps leads klw-init through its steps and runs the hooks in between.
func (c *creation) steps() error {
	hooks := c.o.Bundle.Spec.Hooks
	if hooks == nil {
		hooks = &specs.Hooks{}
	}
	c.State.Hooked = true
	if err := c.State.write(c.Dir); err != nil {
		return err
	}
	if err := c.init.Go(); err != nil {
		return err
	}
	if err := c.init.Mounted(); err != nil {
		return err
	}
	state := c.State.oci(specs.StateCreating)
	if err := hook.Run("prestart", hooks.Prestart, state); err != nil { //nolint:staticcheck // deprecated, still used
		return err
	}
	if err := hook.Run("createRuntime", hooks.CreateRuntime, state); err != nil {
		return err
	}
	if err := c.init.Continue(); err != nil {
		return err
	}
	if err := c.init.Ready(); err != nil {
		return err
	}
	c.State.Done = true
	if err := c.State.write(c.Dir); err != nil {
		return err
	}
	if c.o.Run {
		return hook.Run("poststart", hooks.Poststart, c.State.oci(specs.StateRunning))
	}
	return nil
}

// launchOptions gathers the descriptors for klw-init. They are closed by release.
func (c *creation) launchOptions() (launch.Options, error) {
	io := c.o.Stdio
	o := launch.Options{Config: c.config, Stdin: io.Stdin, Stdout: io.Stdout, Stderr: io.Stderr, ConsoleSocket: io.Console,
		PreserveFDs: io.PreserveFDs, Warn: c.o.Warn}
	if c.config.Fifo {
		fifo, err := makeFifo(c.Dir.ExecFifo())
		if err != nil {
			return o, err
		}
		o.ExecFifo = c.own(fifo)
	}
	if c.guard == nil {
		return o, nil
	}
	mounts, err := c.guard.Setup(&handshake.Setup{ID: c.ID, Root: string(c.Root), Bundle: c.o.Bundle.Dir,
		Policy: c.o.Bundle.Policy.File, Mounts: c.views, Cgroup: c.State.Cgroups.V2(),
		RootMaySetuid: maySetuid(c.o.Bundle.Spec.Process.Capabilities)})
	if err != nil {
		return o, err
	}
	for i, f := range mounts {
		o.ViewMounts = append(o.ViewMounts, c.own(f))
		c.config.Views = append(c.config.Views, c.views[i].Destination)
		if err := noSetuid(f); err != nil {
			return o, err
		}
	}
	sock, err := guard.DialSeccomp(c.Dir)
	if err != nil {
		return o, err
	}
	o.SeccompSock = c.own(sock)
	return o, nil
}

// noSetuid makes a view ignore set-user-ID bits. The bundle's options for the mount can't take that back: confine
// dropped "suid" from them.
func noSetuid(view *os.File) error {
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if err := unix.MountSetattr(int(view.Fd()), "", unix.AT_EMPTY_PATH, attr); err != nil {
		return fmt.Errorf("make a view nosuid: %w", err)
	}
	return nil
}

func makeFifo(path string) (*os.File, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

func (c *creation) own(f *os.File) *os.File {
	c.closers = append(c.closers, f)
	return f
}

// release lets go of what only creating needed. The guard goes on alone, or undoes what it did if it is not attached.
func (c *creation) release() {
	for _, f := range c.closers {
		f.Close()
	}
	if c.guard != nil {
		c.guard.Close()
	}
}

// undo removes everything after a failure and gives the error that led to it.
func (c *creation) undo(cause error) error {
	if c.init != nil {
		c.init.Kill()
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
