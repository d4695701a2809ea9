package netguard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"klw/internal/policy"
)

func init() {
	attempts["tcp connect"] = func(a []string) error { return tcpConnect(a[0], unix.IPPROTO_TCP) }
	attempts["mptcp connect"] = func(a []string) error { return tcpConnect(a[0], unix.IPPROTO_MPTCP) }
	attempts["tcp fast open by sendto"] = func(a []string) error { return fastOpen(a[0], false) }
	attempts["tcp fast open by option"] = func(a []string) error { return fastOpen(a[0], true) }
	attempts["tcp reconnect"] = func(a []string) error { return reconnect(a[0], a[1]) }
	attempts["tcp by io_uring"] = func(a []string) error { return uringConnect(a[0]) }
	attempts["tcp from a child cgroup"] = func(a []string) error { return fromChildCgroup(a[0], a[1]) }
	attempts["udp connect"] = func(a []string) error { return udp(a[0], connectAndWrite) }
	attempts["udp sendto"] = func(a []string) error { return udp(a[0], sendTo) }
	attempts["udp sendto without a family"] = func(a []string) error { return udp(a[0], sendToUnspec) }
	attempts["udp sendmmsg"] = func(a []string) error { return udp(a[0], sendMany) }
	attempts["udp by io_uring"] = func(a []string) error { return udp(a[0], uringSend) }
	attempts["udp in fragments"] = func(a []string) error { return udp(a[0], sendLarge) }
	attempts["udp reconnect"] = func(a []string) error { return udpReconnect(a[0], a[1]) }
	attempts["udp connected, sendto another"] = func(a []string) error { return udpAside(a[0], a[1]) }
	attempts["bind"] = func(a []string) error { return bindTo(a[0], a[1], 0) }
	attempts["bind a shared port"] = func(a []string) error { return bindTo(a[0], a[1], unix.SO_REUSEPORT) }
	attempts["socket"] = makeSocket
	attempts["listen without bind"] = func(a []string) error { return serveTCP("") }
	attempts["listen on a chosen port"] = func(a []string) error { return serveTCP(a[0]) }
	attempts["mptcp listen"] = func(a []string) error { return serve(unix.IPPROTO_MPTCP, a[0]) }
	attempts["udp receive"] = func(a []string) error { return receive(a[0], false) }
	attempts["udp answer"] = func(a []string) error { return receive(a[0], true) }
	attempts["unix connect"] = func(a []string) error { return unixTo(unix.SOCK_STREAM, a[0], unix.Connect) }
	attempts["unix seqpacket"] = func(a []string) error { return unixTo(unix.SOCK_SEQPACKET, a[0], unix.Connect) }
	attempts["unix dgram connect"] = func(a []string) error { return unixTo(unix.SOCK_DGRAM, a[0], unix.Connect) }
	attempts["unix sendto"] = func(a []string) error { return unixTo(unix.SOCK_DGRAM, a[0], sendTo) }
	attempts["use a descriptor"] = func(a []string) error { return connectFD(3, a[0]) }
	attempts["give up a socket"] = func(a []string) error { return passSocket(3) }
	attempts["connect as another user"] = func(a []string) error { return asUser(a[0], a[1:]) }
	attempts["mptcp as a user"] = func(a []string) error { return mptcpAs(a[0], a[1]) }
	attempts["udp answer to a forged question"] = func(a []string) error { return forgeQuestion(a[0], a[1]) }
	attempts["guard"] = func(a []string) error { return guardUntilKilled(a[0]) }
}

func fastOpen(to string, option bool) error {
	sa, family := sockaddr(to)
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !option {
		return unix.Sendto(fd, []byte("hello"), unix.MSG_FASTOPEN, sa)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1); err != nil {
		return err
	}
	if err := unix.Connect(fd, sa); err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte("hello"))
	return err
}

// disconnect is connect to no family.
func disconnect(fd int) error {
	var none [16]byte
	if _, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none[0])), 16); errno != 0 {
		return fmt.Errorf("disconnect: %w", errno)
	}
	return nil
}

// reconnect uses a socket for an allowed connection first.
func reconnect(allowed, to string) error {
	sa, family := sockaddr(allowed)
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, sa); err != nil {
		return fmt.Errorf("test: the allowed one: %w", err)
	}
	if err := disconnect(fd); err != nil {
		return err
	}
	sa, _ = sockaddr(to)
	return unix.Connect(fd, sa)
}

// udpReconnect connects to an allowed peer, disconnects, and connects to another.
func udpReconnect(allowed, to string) error {
	return udp(to, func(fd int, to unix.Sockaddr) error {
		sa, _ := sockaddr(allowed)
		if err := unix.Connect(fd, sa); err != nil {
			return fmt.Errorf("test: the allowed one: %w", err)
		}
		if err := disconnect(fd); err != nil {
			return err
		}
		return connectAndWrite(fd, to)
	})
}

// udpAside sends to another than the connected peer. The answer wouldn't get to such a socket.
func udpAside(allowed, to string) error {
	sa, family := sockaddr(allowed)
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, sa); err != nil {
		return fmt.Errorf("test: the allowed one: %w", err)
	}
	sa, _ = sockaddr(to)
	return sendTo(fd, sa)
}

func sendToUnspec(fd int, to unix.Sockaddr) error {
	raw := rawSockaddr(to)
	raw[0], raw[1] = 0, 0
	b := []byte("hello")
	_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0,
		uintptr(unsafe.Pointer(&raw[0])), uintptr(len(raw)))
	if errno != 0 {
		return errno
	}
	return nil
}

func sendMany(fd int, to unix.Sockaddr) error {
	raw := rawSockaddr(to)
	b := []byte("hello")
	v := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	m := struct {
		unix.Msghdr
		n uint32
		_ uint32
	}{Msghdr: unix.Msghdr{Name: &raw[0], Namelen: uint32(len(raw)), Iov: &v, Iovlen: 1}}
	if _, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), 1, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func sendLarge(fd int, to unix.Sockaddr) error { return unix.Sendto(fd, make([]byte, 20000), 0, to) }

// fromChildCgroup moves itself into a cgroup below its own.
func fromChildCgroup(cgroup, to string) error {
	dir := filepath.Join(cgroup, "below")
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return fmt.Errorf("test: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0); err != nil {
		return fmt.Errorf("test: %w", err)
	}
	return tcpConnect(to, unix.IPPROTO_TCP)
}

func serveTCP(addr string) error { return serve(unix.IPPROTO_TCP, addr) }

// serve listens, without bind if addr is empty, says on which port, and wants a connection.
func serve(proto int, addr string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return err
	}
	if addr != "" {
		sa, _ := sockaddr(addr)
		if err := unix.Bind(fd, sa); err != nil {
			return err
		}
	}
	if err := unix.Listen(fd, 5); err != nil {
		return err
	}
	if err := sayPort(fd); err != nil {
		return err
	}
	return waitReadable(fd)
}

// receive waits for a datagram and answers it.
func receive(addr string, answer bool) error {
	sa, family := sockaddr(addr)
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, sa); err != nil {
		return err
	}
	if err := sayPort(fd); err != nil {
		return err
	}
	if err := waitReadable(fd); err != nil || !answer {
		return err
	}
	_, from, err := unix.Recvfrom(fd, make([]byte, 16), 0)
	if err != nil {
		return err
	}
	return unix.Sendto(fd, []byte("answer"), 0, from)
}

func sayPort(fd int) error {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		fmt.Println(a.Port)
	case *unix.SockaddrInet6:
		fmt.Println(a.Port)
	}
	return nil
}

// patience is how long an attempt waits for something to come in.
var patience = 500 * time.Millisecond

func waitReadable(fd int) error {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if n, err := unix.Poll(p, 100); err == nil && n == 1 {
			return nil
		}
	}
	return errors.New("nothing came in")
}

// unixTo does something to a name; "@" at the beginning makes it abstract.
func unixTo(typ int, name string, do func(int, unix.Sockaddr) error) error {
	fd, err := unix.Socket(unix.AF_UNIX, typ, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd, &unix.SockaddrUnix{Name: name})
}

func connectFD(fd int, to string) error {
	sa, _ := sockaddr(to)
	return unix.Connect(fd, sa)
}

// passSocket makes a socket and sends it out.
func passSocket(channel int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return unix.Sendmsg(channel, []byte("x"), unix.UnixRights(fd), nil, 0)
}

// asUser makes the socket as root and uses it as somebody else: "tcp ADDRESS", "mptcp …" or "udp …".
func asUser(uid string, a []string) error {
	id, err := strconv.Atoi(uid)
	if err != nil {
		return err
	}
	sa, family := sockaddr(a[1])
	typ, proto := unix.SOCK_STREAM, 0
	switch a[0] {
	case "udp":
		typ = unix.SOCK_DGRAM
	case "mptcp":
		proto = unix.IPPROTO_MPTCP
	}
	fd, err := unix.Socket(family, typ, proto)
	if err != nil {
		return err
	}
	if err := unix.Setreuid(id, id); err != nil {
		return err
	}
	if a[0] == "udp" {
		if err := sendTo(fd, sa); err != nil {
			return err
		}
		return echo(fd)
	}
	limit := unix.NsecToTimeval(int64(500 * time.Millisecond))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return err
	}
	return unix.Connect(fd, sa)
}

// mptcpAs is an MPTCP connection of a user who also makes the socket.
func mptcpAs(uid, to string) error {
	id, err := strconv.Atoi(uid)
	if err != nil {
		return err
	}
	if err := unix.Setreuid(id, id); err != nil {
		return err
	}
	return tcpConnect(to, unix.IPPROTO_MPTCP)
}

// forgeQuestion speaks to its own server from an address that isn't its own, in order to answer there: IP_FREEBIND and a
// range of one port let anybody choose the source.
func forgeQuestion(own, to string) error {
	const ipLocalPortRange = 51
	server, target := mustSockaddr(own), mustSockaddr(to)
	forger, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	unix.SetsockoptInt(forger, unix.SOL_IP, unix.IP_FREEBIND, 1)
	unix.SetsockoptInt(forger, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err := unix.SetsockoptInt(forger, unix.SOL_IP, ipLocalPortRange, target.Port|target.Port<<16); err != nil {
		return fmt.Errorf("test: range of ports: %w", err)
	}
	if err := unix.Bind(forger, &unix.SockaddrInet4{Addr: target.Addr}); err != nil {
		return fmt.Errorf("test: bind: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, server); err != nil {
		return fmt.Errorf("test: bind: %w", err)
	}
	if err := sendTo(forger, server); err != nil {
		return fmt.Errorf("test: forged question: %w", err)
	}
	unix.Close(forger)
	if err := waitReadable(fd); err != nil {
		return fmt.Errorf("test: forged question: %w", err)
	}
	return sendTo(fd, target)
}

func mustSockaddr(s string) *unix.SockaddrInet4 {
	sa, _ := sockaddr(s)
	return sa.(*unix.SockaddrInet4)
}

// guardUntilKilled loads a policy that allows nothing and waits.
func guardUntilKilled(cgroup string) error {
	m, err := New(Options{Policy: &policy.Policy{}, Cgroup: cgroup})
	if err == nil {
		err = m.Load()
	}
	if err != nil {
		return err
	}
	fmt.Println("loaded")
	time.Sleep(time.Minute)
	return nil
}
