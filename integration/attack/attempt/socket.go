package main

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Attacks that connect take ADDRESS:PORT of a listener outside the container. Attacks that listen print "port N" and
// wait for somebody to come in.
func socketAttempts() {
	add("connect-tcp", "connect out by TCP", func(to string) error { return connect(to, unix.SOCK_STREAM, 0, false) })
	add("connect-tcp-mapped", "connect out by TCP with a v4-mapped address", func(to string) error {
		return connect(to, unix.SOCK_STREAM, 0, true)
	})
	add("connect-mptcp", "connect out by multipath TCP", func(to string) error {
		return connect(to, unix.SOCK_STREAM, unix.IPPROTO_MPTCP, false)
	})
	add("connect-fastopen", "send out with TCP fast open, without connect", fastOpen)
	add("connect-uring", "connect out by io_uring", uringConnect)
	add("connect-udp", "connect out by UDP and send", func(to string) error { return connect(to, unix.SOCK_DGRAM, 0, false) })
	add("send-udp", "send by UDP without connecting", func(to string) error { return sendto(to, false) })
	add("send-udp-mapped", "send by UDP to a v4-mapped address", func(to string) error { return sendto(to, true) })
	add("connect-abstract", "connect to an abstract UNIX name that isn't the application's", func(name string) error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrUnix{Name: "@" + name})
	})
	add("socket-raw", "make a raw IP socket", func(string) error { return socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) })
	add("socket-packet", "make a packet socket", func(string) error { return socket(unix.AF_PACKET, unix.SOCK_RAW, 0) })
	add("socket-netlink", "make a netlink socket for the firewall", func(string) error {
		return socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)
	})
	add("socket-netlink-uevent", "listen to the kernel's device events", func(string) error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1})
	})
	add("socket-vsock", "make a socket to the hypervisor", func(string) error { return socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0) })
	add("listen-other", "listen on another port", func(string) error { return listen(4444) })
	add("listen-unbound", "listen without bind", func(string) error { return listen(0) })
	add("bind-other", "bind a UDP port that no rule gives", func(string) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Bind(fd, &unix.SockaddrInet4{Port: 5353})
	})
}

func socket(family, kind, proto int) error {
	fd, err := unix.Socket(family, kind, proto)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// address gives the peer as the kernel takes it; mapped: as ::ffff:a.b.c.d.
func address(to string, mapped bool) (unix.Sockaddr, int, error) {
	ap, err := netip.ParseAddrPort(to)
	if err != nil {
		return nil, 0, setupFailed("address", err)
	}
	if mapped {
		return &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}, unix.AF_INET6, nil
	}
	return &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}, unix.AF_INET, nil
}

func connect(to string, kind, proto int, mapped bool) error {
	sa, family, err := address(to, mapped)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(family, kind, proto)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	impatient(fd)
	if err := unix.Connect(fd, sa); err != nil {
		return err
	}
	return echo(fd)
}

// echo sends a line and wants it back: only what arrived outside counts as a way out.
func echo(fd int) error {
	if _, err := unix.Write(fd, []byte("ping")); err != nil {
		return err
	}
	n, err := unix.Read(fd, make([]byte, 4))
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("closed without an answer")
	}
	return nil
}

func impatient(fd int) {
	tv := unix.NsecToTimeval(int64(time.Second))
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv)
}

func sendto(to string, mapped bool) error {
	sa, family, err := address(to, mapped)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	impatient(fd)
	if err := unix.Sendto(fd, []byte("ping"), 0, sa); err != nil {
		return err
	}
	_, _, err = unix.Recvfrom(fd, make([]byte, 4), 0)
	return err
}

func fastOpen(to string) error {
	sa, family, err := address(to, false)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	impatient(fd)
	if err := unix.Sendto(fd, []byte("ping"), unix.MSG_FASTOPEN, sa); err != nil {
		return err
	}
	_, err = unix.Read(fd, make([]byte, 4))
	return err
}

// listen takes what comes in on the port (0: the kernel binds when listen is called) and counts it as a way in.
func listen(port int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if port != 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port}); err != nil {
			return err
		}
	}
	if err := unix.Listen(fd, 1); err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "listener")
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	defer l.Close()
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintf(out, "port %d\n", l.Addr().(*net.TCPAddr).Port)
	out.Flush()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(1500 * time.Millisecond))
	c, err := l.Accept()
	if err != nil {
		return fmt.Errorf("nobody came in: %w", err)
	}
	return c.Close()
}
