package runtime

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/bundle"
	"klw/runtime/guard"
	"klw/runtime/launch"
)

// ExecOptions say what is to run in a container.
type ExecOptions struct {
	Process *specs.Process // changed by Exec under a policy
	Stdio   Stdio
	Warn    func(string) // may be nil
}

// Process gives the process of the config.json that the container was created with.
func (c *Container) Process() (*specs.Process, error) {
	spec, err := c.spec()
	if err != nil {
		return nil, err
	}
	return spec.Process, nil
}

// Exec runs one more process in a container, under all that the container is under. It returns when the process has
// executed its program; the process is the caller's child.
func (c *Container) Exec(o ExecOptions) (*launch.Init, error) {
	unlock, err := c.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := c.reload(); err != nil {
		return nil, err
	}
	if status := c.Status(); status != specs.StateRunning && status != specs.StateCreated {
		return nil, fmt.Errorf("cannot exec in a %s container", status)
	}
	b, err := c.execBundle(o.Process)
	if err != nil {
		return nil, err
	}
	config := &launch.Config{Spec: b.Spec, Bundle: c.State.Bundle, ID: c.ID, Exec: true}
	if err := filters(config, b, b.Policy != nil && hidesQueues(b)); err != nil {
		return nil, err
	}
	lo := launch.Options{Config: config, Stdin: o.Stdio.Stdin, Stdout: o.Stdio.Stdout, Stderr: o.Stdio.Stderr,
		ConsoleSocket: o.Stdio.Console, PreserveFDs: o.Stdio.PreserveFDs, JoinPID: c.State.Init.PID, Warn: o.Warn}
	if b.Policy != nil {
		sock, err := guard.DialSeccomp(c.Dir)
		if err != nil {
			return nil, err
		}
		defer sock.Close()
		lo.SeccompSock = sock
	}
	entry, err := c.State.Cgroups.Open()
	if err != nil {
		return nil, err
	}
	lo.Cgroup, lo.Tasks = entry.V2, entry.Tasks
	process, err := launch.Start(lo)
	entry.Close()
	if err != nil {
		return nil, err
	}
	if err := c.enter(process); err != nil {
		_ = process.Kill()
		return nil, err
	}
	return process, nil
}

// enter leads the process to its program.
func (c *Container) enter(process *launch.Init) error {
	if !alive(c.State.Init) { // else its number might have been another process's by the time it was joined
		return errors.New("cannot exec in a stopped container")
	}
	if err := process.Go(); err != nil {
		return err
	}
	return process.Ready()
}

// execBundle is the bundle as it was when the container was created, with the process to run.
func (c *Container) execBundle(process *specs.Process) (*bundle.Bundle, error) {
	if err := bundle.CheckProcess(process); err != nil {
		return nil, err
	}
	spec, err := c.spec()
	if err != nil {
		return nil, err
	}
	spec.Process = process
	b := &bundle.Bundle{Dir: c.State.Bundle, Spec: spec, Rootfs: c.State.Rootfs}
	if c.State.Policy == "" {
		return b, nil
	}
	if b.Policy, err = readPolicy(c.Dir); err != nil {
		return nil, err
	}
	spec.Process.NoNewPrivileges = true
	confineCapabilities(spec.Process)
	confineCircles(spec.Process, b.Policy.Circles)
	if !c.State.MayTrace { // nobody in the container may: a policy loaded later may have circles
		takeCapability(spec.Process, tracing)
	}
	return b, checkUser(b.Policy, b.Rootfs, spec.Process.User.UID)
}
