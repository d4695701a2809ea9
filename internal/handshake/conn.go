package handshake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// FD is the number of the guard's descriptor of the conversation.
const FD = 3

// MaxFiles is the kernel's limit of descriptors in one packet (SCM_MAX_FD), and so of a container's views.
const MaxFiles = 253

// Conn is one end of the conversation. Send and Recv may run at the same time, each by one goroutine.
type Conn struct{ f *os.File }

// Pair makes both ends of a conversation, close-on-exec. The second is the file to pass on to the guard.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make the handshake's socket pair: %w", err)
	}
	c, err := NewConn(fds[0])
	if err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, err
	}
	return c, os.NewFile(uintptr(fds[1]), "handshake"), nil
}

// NewConn takes over descriptor fd, the end of a SOCK_SEQPACKET pair.
func NewConn(fd int) (*Conn, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_SEQPACKET {
		return nil, fmt.Errorf("descriptor %d is not the handshake's socket (klw-guard serve is started by klw-runc)", fd)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return &Conn{f: os.NewFile(uintptr(fd), "handshake")}, nil
}

// Close ends the conversation; the other end's Recv gives io.EOF.
func (c *Conn) Close() error { return c.f.Close() }

// SetDeadline limits what Send and Recv wait for; a zero time takes the limit away.
func (c *Conn) SetDeadline(t time.Time) error { return c.f.SetDeadline(t) }

// Send writes one message, with files along. The files stay open here.
func (c *Conn) Send(m *Message, files ...*os.File) error {
	packet, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if len(packet) > MaxMessage {
		return fmt.Errorf("handshake: message of %d bytes is larger than %d", len(packet), MaxMessage)
	}
	if len(files) > MaxFiles {
		return fmt.Errorf("handshake: %d descriptors in one message, at most %d can be passed", len(files), MaxFiles)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	err = c.wait(true, func(fd int) error {
		return unix.Sendmsg(fd, packet, rights, nil, unix.MSG_NOSIGNAL)
	})
	if err != nil {
		return fmt.Errorf("send over the handshake: %w", err)
	}
	return nil
}

// Recv reads one message and the files that came along, close-on-exec. At the end it gives io.EOF.
func (c *Conn) Recv() (*Message, []*os.File, error) {
	packet := make([]byte, MaxMessage+1)
	rights := make([]byte, unix.CmsgSpace(MaxFiles*4))
	var n, oobn, flags int
	err := c.wait(false, func(fd int) (err error) {
		n, oobn, flags, _, err = unix.Recvmsg(fd, packet, rights, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		if errors.Is(err, unix.ECONNRESET) {
			return nil, nil, io.EOF
		}
		return nil, nil, fmt.Errorf("receive over the handshake: %w", err)
	}
	files, err := parseRights(rights[:oobn])
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("handshake: message cut off")
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	m := new(Message)
	if err == nil {
		if err = json.Unmarshal(packet[:n], m); err != nil {
			err = fmt.Errorf("handshake: %w", err)
		}
	}
	if err != nil {
		closeAll(files)
		return nil, nil, err
	}
	return m, files, nil
}

// wait runs call until it doesn't answer EAGAIN, sleeping in the runtime's poller.
func (c *Conn) wait(write bool, call func(fd int) error) error {
	raw, err := c.f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	try := func(fd uintptr) bool {
		for {
			if result = call(int(fd)); !errors.Is(result, unix.EINTR) {
				return !errors.Is(result, unix.EAGAIN)
			}
		}
	}
	if write {
		err = raw.Write(try)
	} else {
		err = raw.Read(try)
	}
	if err != nil {
		return err
	}
	return result
}

func parseRights(oob []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // other kinds of control message carry no descriptors
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
