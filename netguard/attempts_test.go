package netguard

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// What the child tries. Each gets the arguments of the test and gives nil if it got through. An outcome is the exit
// status: 0 through, 3 not through, 2 a mistake of the test.
var attempts = map[string]func(args []string) error{}

func attempt(name string) int {
	f := attempts[name]
	if f == nil {
		fmt.Fprintf(os.Stderr, "no attempt %q\n", name)
		return 2
	}
	if err := f(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	return 0
}

// sockaddr gives the address and the family of a socket that takes it. "mapped:" asks for v4-mapped IPv6.
func sockaddr(s string) (unix.Sockaddr, int) {
	mapped := len(s) > 7 && s[:7] == "mapped:"
	if mapped {
		s = s[7:]
	}
	a := netip.MustParseAddrPort(s)
	if a.Addr().Is4() && !mapped {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, unix.AF_INET
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}, unix.AF_INET6
}

// finish waits for a connection under way.
func finish(fd int, err error) error {
	if !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	if n, err := unix.Poll(p, 500); err != nil {
		return err
	} else if n == 0 {
		return errors.New("no connection after half a second")
	}
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	return err
}

func tcpConnect(to string, proto int) error {
	sa, family := sockaddr(to)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return finish(fd, unix.Connect(fd, sa))
}

// udp sends by do and waits for the echo.
func udp(to string, do func(fd int, to unix.Sockaddr) error) error {
	sa, family := sockaddr(to)
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := do(fd, sa); err != nil {
		return err
	}
	return echo(fd)
}

func echo(fd int) error {
	tv := unix.NsecToTimeval(int64(500 * time.Millisecond))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return err
	}
	_, _, err := unix.Recvfrom(fd, make([]byte, 16), 0)
	return err
}

func connectAndWrite(fd int, to unix.Sockaddr) error {
	if err := unix.Connect(fd, to); err != nil {
		return err
	}
	_, err := unix.Write(fd, []byte("hello"))
	return err
}

func sendTo(fd int, to unix.Sockaddr) error { return unix.Sendto(fd, []byte("hello"), 0, to) }

// bindTo binds a socket of a network ("tcp", "udp"), with a socket option set.
func bindTo(network, to string, option int) error {
	sa, family := sockaddr(to)
	typ := unix.SOCK_STREAM
	if network == "udp" {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, typ, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if option != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return err
		}
	}
	return unix.Bind(fd, sa)
}

// makeSocket makes a socket of a family, type and protocol, given as numbers.
func makeSocket(a []string) error {
	var family, typ, proto int
	if _, err := fmt.Sscan(a[0]+" "+a[1]+" "+a[2], &family, &typ, &proto); err != nil {
		return err
	}
	fd, err := unix.Socket(family, typ, proto)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}
