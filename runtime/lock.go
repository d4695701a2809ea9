package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a call waits for another one on the same container.
const patience = 10 * time.Second

var errBusy = errors.New("another klw-runc is at work on it")

// lock takes the container's lock and reads the state anew. The kernel gives it up when the process ends.
func (c *Container) lock() (unlock func(), err error) { return c.lockWithin(patience) }

func (c *Container) lockWithin(patience time.Duration) (unlock func(), err error) {
	f, err := os.OpenFile(c.Dir.Lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("container %s %w", c.ID, ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("lock container %s: %w", c.ID, err)
	}
	for pause, deadline := time.Millisecond, time.Now().Add(patience); ; pause = min(2*pause, 50*time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			break
		}
		if time.Now().After(deadline) {
			err = errBusy
			break
		}
		time.Sleep(pause)
	}
	if err == nil {
		err = c.sameLock(f)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock container %s: %w", c.ID, err)
	}
	return func() { f.Close() }, nil
}

// sameLock makes sure that the lock that was waited for is not one of a container deleted meanwhile.
func (c *Container) sameLock(f *os.File) error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(c.Dir.Lock())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(mine, now) {
		return fmt.Errorf("the container %w any more", ErrNotExist)
	}
	return err
}
