package runtime

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/bundle"
	"klw/internal/handshake"
	"klw/runtime/guard"
	"klw/runtime/hook"
	"klw/runtime/launch"
)

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
		Policy: c.o.Bundle.Policy.Texts.File, Mounts: c.confined.views, Kernel: c.confined.kernel, Cgroup: c.State.Cgroups.V2(),
		Users: userIDs(c.o.Bundle.Spec), RootMaySetuid: may(c.o.Bundle.Spec.Process.Capabilities, "CAP_SETUID"),
		MayTrace: c.State.MayTrace, Learn: c.o.Learn})
	if err != nil {
		return o, err
	}
	for i, f := range mounts {
		o.ViewMounts = append(o.ViewMounts, c.own(f))
		c.config.Views = append(c.config.Views, c.confined.views[i].Destination)
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

// userIDs gives the ids of the container's user namespace, none if it is the host's.
func userIDs(spec *specs.Spec) (list []handshake.IDRange) {
	if bundle.Namespace(spec, specs.UserNamespace) == nil {
		return nil
	}
	for _, m := range spec.Linux.UIDMappings {
		list = append(list, handshake.IDRange{Inside: m.ContainerID, Host: m.HostID, Size: m.Size})
	}
	return list
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
