package netguard

import (
	"context"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// world is what is outside the container in a test: servers in the same network namespace, whose sockets are not of
// the container's cgroup. Two of them may be spoken to (A by TCP, B by UDP), the others (T, U) not.
type world struct {
	cgroup string
	ports  *strings.Replacer
}

// newWorld makes the servers. Call it on a thread that is in a network namespace of its own.
func newWorld(t testing.TB, cgroup string) world {
	t.Helper()
	settle(t)
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	tcp := func() string {
		l, err := lc.Listen(context.Background(), "tcp", "[::]:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go accept(l)
		return port(l.Addr())
	}
	udp := func() string {
		c, err := lc.ListenPacket(context.Background(), "udp", "[::]:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		go echoes(c)
		return port(c.LocalAddr())
	}
	abstract(t)
	return world{cgroup, strings.NewReplacer("@T", tcp(), "@U", udp(), "@A", tcp(), "@B", udp(), "@C", cgroup)}
}

// settle prepares the namespace: ping sockets for all, an MTU at which datagrams are cut, 10.9.9.9 for another machine's
// address.
func settle(t testing.TB) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 65535"), 0); err != nil {
		t.Fatal(err)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetMTU(lo, 1500)
	}
	if err == nil {
		err = netlink.AddrAdd(lo, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 9, 9, 9), Mask: net.CIDRMask(32, 32)}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// abstract binds the names klw/stream, klw/seqpacket and klw/dgram.
func abstract(t testing.TB) {
	t.Helper()
	for name, typ := range map[string]int{"stream": unix.SOCK_STREAM, "seqpacket": unix.SOCK_SEQPACKET, "dgram": unix.SOCK_DGRAM} {
		fd, err := unix.Socket(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: "@klw/" + name}); err != nil {
			t.Fatal(err)
		}
		if typ != unix.SOCK_DGRAM {
			if err := unix.Listen(fd, 100); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func port(a net.Addr) string {
	_, p, _ := net.SplitHostPort(a.String())
	return p
}

func accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Close()
	}
}

func echoes(c net.PacketConn) {
	b := make([]byte, 65536)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		c.WriteTo(b[:n], from)
	}
}

// knock speaks to what an attempt serves.
func knock(attempt, port string) {
	if strings.HasPrefix(attempt, "udp") {
		udp("127.0.0.1:"+port, sendTo)
		return
	}
	tcpConnect("127.0.0.1:"+port, unix.IPPROTO_TCP)
}

// try runs an attempt in the world's cgroup and answers with the port that it served.
func (w world) try(t testing.TB, attempt, args string) (served string, err error) {
	t.Helper()
	err = child(t, w.cgroup, attempt, strings.Fields(w.ports.Replace(args)), func(port string) {
		served = port
		knock(attempt, port)
	})
	return served, err
}
