package runtime

import (
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/bundle"
)

// killTime is how long a killed container's processes may take to go.
const killTime = 10 * time.Second

// Kill sends a signal to the container's first process, or to all of its processes. SIGKILL to the first process of a
// container without a pid namespace of its own goes to all: nothing else would end the others.
func (c *Container) Kill(sig unix.Signal, all bool) error {
	if err := c.reload(); err != nil {
		return err
	}
	status := c.Status()
	if !all && sig == unix.SIGKILL {
		spec, err := c.spec()
		all = err == nil && bundle.Namespace(spec, specs.PIDNamespace) == nil
	}
	if all {
		if empty, err := c.State.Cgroups.Empty(); err == nil && empty {
			return ErrNotRunning
		}
		return c.State.Cgroups.Signal(sig)
	}
	if status == specs.StateStopped || status == specs.StateCreating {
		return ErrNotRunning
	}
	process, err := c.State.Init.Open()
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("signal container %s: %w", c.ID, err)
	}
	defer process.Close()
	err = unix.PidfdSendSignal(int(process.Fd()), sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("signal container %s: %w", c.ID, err)
	}
	return nil
}
