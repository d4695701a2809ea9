package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotWaiting: no klw-init waits at the exec fifo; it was started already, or has ended.
var ErrNotWaiting = errors.New("the container is not waiting to be started")

// Release opens the exec fifo of a created container whose first process is pid, which lets it run the startContainer
// hooks and execute the application. It returns when that has happened, or with the error that prevented it.
func Release(fifo string, pid int) error {
	gone, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotWaiting, err)
	}
	defer unix.Close(gone)
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := readFifo(fifo)
		answers <- answer{text, err}
	}()
	ended := make(chan struct{})
	go func() {
		pollEnd(gone)
		close(ended)
	}()
	select {
	case a := <-answers:
		return outcome(a.text, a.err)
	case <-ended:
		unblock(fifo)
		a := <-answers
		if a.err == nil && len(a.text) == 0 {
			return ErrNotWaiting
		}
		return outcome(a.text, a.err)
	}
}

func readFifo(fifo string) ([]byte, error) {
	f, err := os.OpenFile(fifo, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the exec fifo: %w", err)
	}
	defer f.Close()
	return io.ReadAll(f)
}

// pollEnd returns when the process of the pidfd has ended.
func pollEnd(pidfd int) {
	p := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(p, -1); err != unix.EINTR {
			return
		}
	}
}

// unblock lets a reader that waits for a writer go.
func unblock(fifo string) {
	if fd, err := unix.Open(fifo, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		unix.Close(fd)
	}
}

// outcome reads what klw-init wrote: "0" when it woke up, and then its error, if there was one.
func outcome(text []byte, err error) error {
	if err != nil {
		return fmt.Errorf("reading the exec fifo: %w", err)
	}
	if len(text) == 0 {
		return ErrNotWaiting
	}
	if len(text) == 1 {
		return nil
	}
	var e Error
	if err := json.Unmarshal(text[1:], &e); err != nil {
		return fmt.Errorf("reading the exec fifo: %w", err)
	}
	return &e
}
