package seal

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/peer"
	"klw/internal/seccomp"
)

// patience is how long a connection may take to send its listener.
const patience = 10 * time.Second

// pause is the time until a connection that couldn't be accepted is tried again.
const pause = 50 * time.Millisecond

// listen makes the socket, mode 0600. The name is bound by way of a descriptor of its folder, since socket addresses
// hold 107 bytes and containers' folders may be deeper.
func listen(path string) (*net.UnixListener, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("make socket for seccomp listeners: %w", err)
	}
	defer dir.Close()
	short := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	if err := os.Remove(short); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("make socket for seccomp listeners: %w", err)
	}
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("make socket for seccomp listeners: %w", err)
	}
	socket.SetUnlinkOnClose(false) // by then the short name means something else
	if err := os.Chmod(short, 0o600); err != nil {
		socket.Close()
		return nil, fmt.Errorf("make socket for seccomp listeners: %w", err)
	}
	return socket, nil
}

// take receives a listener that seccomp.Hand sent. Only root's is taken.
func take(conn *net.UnixConn) (*seccomp.Listener, error) {
	if err := checkPeer(conn); err != nil {
		return nil, fmt.Errorf("take seccomp listener: %w", err)
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	var data [1]byte
	oob := make([]byte, unix.CmsgSpace(4*253)) // as many as one message can carry, so that each is seen and closed
	n, oobn, _, _, err := conn.ReadMsgUnix(data[:], oob)
	if err != nil {
		return nil, fmt.Errorf("take seccomp listener: %w", err)
	}
	fds, err := rights(oob[:oobn])
	if err != nil {
		return nil, fmt.Errorf("take seccomp listener: %w", err)
	}
	if n != 1 || len(fds) != 1 {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("take seccomp listener: got %d bytes and %d descriptors, expected one of each", n, len(fds))
	}
	return seccomp.NewListener(fds[0])
}

func checkPeer(conn *net.UnixConn) error {
	uid, err := peer.UID(conn)
	if err != nil {
		return err
	}
	if uid != 0 {
		return fmt.Errorf("user %d may not send one", uid)
	}
	return nil
}

func rights(oob []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var fds []int
	for _, m := range messages {
		if list, err := unix.ParseUnixRights(&m); err == nil {
			fds = append(fds, list...)
		}
	}
	return fds, nil
}
