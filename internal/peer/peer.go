// Package peer asks the kernel who is at the other end of a UNIX socket.
package peer

import (
	"net"

	"golang.org/x/sys/unix"
)

// UID is the user that the other end connected as (or listened, if this is the end that connected).
func UID(conn *net.UnixConn) (uint32, error) {
	cred, err := Cred(conn)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}

// Cred gives the process too.
func Cred(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return cred, failed
}
