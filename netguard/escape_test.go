package netguard

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// world is what is outside the container in a test: servers in the same network namespace, whose sockets are not of
// the container's cgroup.
type world struct {
	tcp, udp string // ports
}

func newWorld(t testing.TB) world {
	t.Helper()
	tcp, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close(); udp.Close() })
	go accept(tcp)
	go echoes(udp)
	return world{port(tcp.Addr()), port(udp.LocalAddr())}
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
	b := make([]byte, 100)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		c.WriteTo(b[:n], from)
	}
}

// escape is something that a policy without a rule for it has to stop. T and U in the arguments are the ports of the
// world.
type escape struct {
	attempt string
	args    string
	op      hooks.Operation
	hint    string
}

var escapes = []escape{
	{"tcp connect", "127.0.0.1:T", hooks.OpConnect, "socket tcp connect 127.0.0.1:T"},
	{"tcp connect", "[::1]:T", hooks.OpConnect, "socket tcp connect [::1]:T"},
	{"tcp connect", "mapped:127.0.0.1:T", hooks.OpConnect, "socket tcp connect 127.0.0.1:T"},
	{"tcp connect", "0.0.0.0:T", hooks.OpConnect, "socket tcp connect 127.0.0.1:T"},
	{"tcp connect", "[::]:T", hooks.OpConnect, "socket tcp connect [::1]:T"},
	{"mptcp connect", "127.0.0.1:T", hooks.OpConnect, "socket tcp connect 127.0.0.1:T"},
	{"mptcp connect", "[::1]:T", hooks.OpConnect, "socket tcp connect [::1]:T"},
	{"udp connect", "127.0.0.1:U", hooks.OpConnect, "socket udp connect 127.0.0.1:U"},
	{"udp connect", "mapped:127.0.0.1:U", hooks.OpConnect, "socket udp connect 127.0.0.1:U"},
	{"udp connect", "[::1]:U", hooks.OpConnect, "socket udp connect [::1]:U"},
	{"udp sendto", "127.0.0.1:U", hooks.OpSend, "socket udp connect 127.0.0.1:U"},
	{"udp sendto", "mapped:127.0.0.1:U", hooks.OpSend, "socket udp connect 127.0.0.1:U"},
	{"udp sendto", "[::1]:U", hooks.OpSend, "socket udp connect [::1]:U"},
	{"bind", "tcp 127.0.0.1:7000", hooks.OpBind, "socket tcp listen 127.0.0.1:7000"},
	{"bind", "tcp mapped:127.0.0.1:7000", hooks.OpBind, "socket tcp listen 127.0.0.1:7000"},
	{"bind", "tcp 0.0.0.0:7000", hooks.OpBind, "socket tcp listen :7000"},
	{"bind", "tcp [::]:7000", hooks.OpBind, "socket tcp listen :7000"},
	{"bind", "udp [::1]:7000", hooks.OpBind, "socket udp listen [::1]:7000"},
	{"socket", fmt.Sprint(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_UDP), hooks.OpSocket, ""},
	{"socket", fmt.Sprint(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6), hooks.OpSocket, ""},
	{"socket", fmt.Sprint(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP), hooks.OpSocket, ""},
	{"socket", fmt.Sprint(unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_ICMPV6), hooks.OpSocket, ""},
	{"socket", fmt.Sprint(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE), hooks.OpSocket, ""},
}

// TestEscapes tries each escape twice in the same world: without the module it must get through, with it it must not.
func TestEscapes(t *testing.T) {
	for _, e := range escapes {
		t.Run(e.attempt+" "+e.args, func(t *testing.T) {
			cgroup := newCgroup(t)
			inNetns(t, func() {
				if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0); err != nil {
					t.Error(err)
				}
				w := newWorld(t)
				ports := strings.NewReplacer(":T", ":"+w.tcp, ":U", ":"+w.udp)
				args := strings.Fields(ports.Replace(e.args))
				if err := child(t, cgroup, e.attempt, nil, args...); err != nil {
					t.Errorf("it doesn't even get through without the module: %v", err)
					return
				}
				m, r := load(t, cgroup, parse(t, "socket tcp listen :1\n"))
				err := child(t, cgroup, e.attempt, nil, args...)
				if err == nil || !strings.Contains(err.Error(), "exit status 3") {
					t.Errorf("not refused: %v", err)
				}
				want := ports.Replace(e.hint)
				r.wait(t, e.op.String()+" "+want, func(c hooks.Call, hint string) bool {
					return c.Op == e.op && hint == want && c.Caller.Comm != "" && c.Caller.PID != 0
				})
				if err := m.Unload(); err != nil {
					t.Error(err)
				}
				if err := child(t, cgroup, e.attempt, nil, args...); err != nil {
					t.Errorf("still refused after unloading: %v", err)
				}
			})
		})
	}
}
