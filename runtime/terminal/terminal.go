// Package terminal connects the caller's terminal with that of a process in a container.
//
// The process's side makes the pseudo terminal and sends its master over a socket; what is here receives it, copies
// both ways, keeps the size and puts the caller's terminal back as it was.
package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
)

// drainTime is how long output is waited for after the process has ended: something it started may hold the terminal.
const drainTime = 500 * time.Millisecond

// Terminal is a terminal being set up or in use.
type Terminal struct {
	Socket *os.File // for the process's side

	ours   *os.File
	host   console.Console // the caller's; nil if it has none
	master console.Console
	output chan struct{}
}

// New prepares a terminal.
func New() (*Terminal, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return &Terminal{ours: os.NewFile(uintptr(fds[0]), "console"), Socket: os.NewFile(uintptr(fds[1]), "console")}, nil
}

// Size is that of the caller's terminal, for the process's from its beginning; 0 by 0 if the caller has none.
func Size() (width, height uint) {
	host := hostConsole()
	if host == nil {
		return 0, 0
	}
	size, err := host.Size()
	if err != nil {
		return 0, 0
	}
	return uint(size.Width), uint(size.Height)
}

// Connect receives the master and starts to copy. The caller's terminal, if it has one, becomes raw.
func (t *Terminal) Connect() error {
	t.Socket.Close()
	fd, err := receive(int(t.ours.Fd()))
	if err != nil {
		return fmt.Errorf("receive the terminal: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that a read can be ended
		unix.Close(fd)
		return fmt.Errorf("terminal: %w", err)
	}
	t.master, err = console.ConsoleFromFile(os.NewFile(uintptr(fd), "ptmx"))
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("terminal: %w", err)
	}
	t.host = hostConsole()
	if t.host != nil {
		if err := makeRaw(t.host); err != nil {
			return fmt.Errorf("terminal: %w", err)
		}
		t.Resize()
	}
	t.output = make(chan struct{})
	go func() { _, _ = io.Copy(t.master, os.Stdin) }()
	go func() {
		_, _ = io.Copy(os.Stdout, t.master)
		close(t.output)
	}()
	return nil
}

// makeRaw makes the caller's terminal pass everything on as it is. Package console leaves it its output processing; the
// process's terminal has made the line ends already.
func makeRaw(c console.Console) error {
	if err := c.SetRaw(); err != nil {
		return err
	}
	mode, err := unix.IoctlGetTermios(int(c.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	mode.Oflag &^= unix.OPOST
	return unix.IoctlSetTermios(int(c.Fd()), unix.TCSETS, mode)
}

func hostConsole() console.Console {
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if c, err := console.ConsoleFromFile(f); err == nil {
			return c
		}
	}
	return nil
}

// Resize gives the process's terminal the size of the caller's.
func (t *Terminal) Resize() {
	if t.host != nil && t.master != nil {
		_ = t.master.ResizeFrom(t.host)
	}
}

// Close ends the copying once the output has come to its end, and puts the caller's terminal back.
func (t *Terminal) Close() {
	t.Socket.Close()
	t.ours.Close()
	if t.output != nil {
		select {
		case <-t.output:
		case <-time.After(drainTime):
		}
	}
	if t.host != nil {
		_ = t.host.Reset()
	}
	if t.master != nil {
		t.master.Close()
	}
}

// receive takes the one descriptor that comes over a socket.
func receive(socket int) (int, error) {
	name, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	for {
		_, n, _, _, err := unix.Recvmsg(socket, name, rights, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, err
		}
		messages, err := unix.ParseSocketControlMessage(rights[:n])
		if err != nil || len(messages) != 1 {
			return -1, errors.New("the process sent none")
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			return -1, errors.New("the process sent none")
		}
		return fds[0], nil
	}
}
