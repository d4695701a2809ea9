package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/bundle"
	"klw/runtime/hook"
	"klw/runtime/launch"
)

// Start lets a created container's application go, and runs the poststart hooks.
func (c *Container) Start() error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.reload(); err != nil {
		return err
	}
	switch status := c.Status(); status {
	case specs.StateCreated:
	case specs.StateStopped:
		return fmt.Errorf("cannot start container %s: it has stopped", c.ID)
	default:
		return fmt.Errorf("cannot start container %s: it is %s", c.ID, status)
	}
	if err := c.openFifo(); err != nil {
		return fmt.Errorf("start container %s: %w", c.ID, err)
	}
	hooks, err := c.hooks()
	if err != nil {
		return err
	}
	if err := hook.Run("poststart", hooks.Poststart, c.State.oci(specs.StateRunning)); err != nil {
		return errors.Join(err, c.State.Cgroups.Kill(killTime))
	}
	return nil
}

// openFifo opens the reading end, for which klw-init waits, and reads until klw-init has executed the application: its
// end is closed on exec. What it writes is why it couldn't.
func (c *Container) openFifo() error {
	fifo, err := os.OpenFile(c.Dir.ExecFifo(), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer fifo.Close()
	process, err := c.State.Init.Open()
	if err != nil {
		return errors.New("its process has ended")
	}
	defer process.Close()
	said, err := readFifo(int(fifo.Fd()), int(process.Fd()))
	if err != nil {
		return err
	}
	if err := os.Remove(c.Dir.ExecFifo()); err != nil {
		return err
	}
	return saidError(said)
}

// saidError is what klw-init wrote after the byte that says that it has begun.
func saidError(said string) error {
	text := strings.TrimPrefix(said, "0")
	if text == "" {
		return nil
	}
	failed := new(launch.Error)
	if err := json.Unmarshal([]byte(text), failed); err != nil {
		return fmt.Errorf("klw-init said %q", text)
	}
	return failed
}

// readFifo reads to the end of the fifo. A fifo that nobody has opened yet is not at its end.
func readFifo(fifo, process int) (string, error) {
	var said []byte
	buf := make([]byte, 4096)
	for {
		poll := []unix.PollFd{{Fd: int32(fifo), Events: unix.POLLIN}, {Fd: int32(process), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && err != unix.EINTR {
			return "", err
		}
		if poll[0].Revents != 0 {
			n, err := unix.Read(fifo, buf)
			switch {
			case n > 0:
				said = append(said, buf[:n]...)
				continue
			case n == 0 && err == nil:
				return string(said), nil
			case err != unix.EAGAIN && err != unix.EINTR:
				return "", err
			}
		}
		if poll[1].Revents != 0 && poll[0].Revents == 0 {
			return "", errors.New("its process has ended before it was started")
		}
	}
}

// hooks gives those of the config.json that the container was created with.
func (c *Container) hooks() (*specs.Hooks, error) {
	spec, err := c.spec()
	if err != nil {
		return nil, err
	}
	if spec.Hooks == nil {
		return &specs.Hooks{}, nil
	}
	return spec.Hooks, nil
}

func (c *Container) spec() (*specs.Spec, error) {
	text, err := os.ReadFile(c.Dir.Config())
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", c.ID, err)
	}
	return bundle.Parse(text)
}
