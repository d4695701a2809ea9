package netguard

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// escape is something that a policy without a rule for it has to stop. @T and so on are the ports of the world, @P the
// port that the attempt itself serves.
type escape struct {
	attempt string
	args    string
	op      hooks.Operation
	hint    string // what the event says would allow it; does so, if allow isn't given
	allow   string
}

const (
	inet, inet6 = unix.AF_INET, unix.AF_INET6
	never       = "-" // no rule allows it
)

var escapes = []escape{
	{"tcp connect", "127.0.0.1:@T", hooks.OpConnect, "socket tcp connect 127.0.0.1:@T", ""},
	{"tcp connect", "[::1]:@T", hooks.OpConnect, "socket tcp connect [::1]:@T", ""},
	{"tcp connect", "mapped:127.0.0.1:@T", hooks.OpConnect, "socket tcp connect 127.0.0.1:@T", ""},
	{"tcp connect", "0.0.0.0:@T", hooks.OpConnect, "socket tcp connect 127.0.0.1:@T", ""},
	{"tcp connect", "[::]:@T", hooks.OpConnect, "socket tcp connect [::1]:@T", ""},
	{"mptcp connect", "127.0.0.1:@T", hooks.OpConnect, "socket tcp connect 127.0.0.1:@T", ""},
	{"mptcp connect", "[::1]:@T", hooks.OpConnect, "socket tcp connect [::1]:@T", ""},
	{"tcp fast open by sendto", "127.0.0.1:@T", hooks.OpConnect, "socket tcp connect 127.0.0.1:@T", ""},
	{"tcp fast open by option", "127.0.0.1:@T", hooks.OpConnect, "socket tcp connect 127.0.0.1:@T", ""},
	{"tcp reconnect", "127.0.0.1:@A 127.0.0.1:@T", hooks.OpConnect, "socket tcp connect 127.0.0.1:@T", ""},
	{"tcp by io_uring", "127.0.0.1:@T", hooks.OpConnect, "socket tcp connect 127.0.0.1:@T", ""},
	{"tcp from a child cgroup", "@C 127.0.0.1:@T", hooks.OpConnect, "socket tcp connect 127.0.0.1:@T", ""},
	{"udp connect", "127.0.0.1:@U", hooks.OpConnect, "socket udp connect 127.0.0.1:@U", ""},
	{"udp connect", "mapped:127.0.0.1:@U", hooks.OpConnect, "socket udp connect 127.0.0.1:@U", ""},
	{"udp connect", "[::1]:@U", hooks.OpConnect, "socket udp connect [::1]:@U", ""},
	{"udp sendto", "127.0.0.1:@U", hooks.OpSend, "socket udp connect 127.0.0.1:@U", ""},
	{"udp sendto", "0.0.0.0:@U", hooks.OpSend, "socket udp connect 127.0.0.1:@U", ""},
	{"udp sendto", "mapped:127.0.0.1:@U", hooks.OpSend, "socket udp connect 127.0.0.1:@U", ""},
	{"udp sendto", "[::1]:@U", hooks.OpSend, "socket udp connect [::1]:@U", ""},
	{"udp sendto without a family", "127.0.0.1:@U", hooks.OpSend, "socket udp connect 127.0.0.1:@U", ""},
	{"udp sendmmsg", "127.0.0.1:@U", hooks.OpSend, "socket udp connect 127.0.0.1:@U", ""},
	{"udp by io_uring", "127.0.0.1:@U", hooks.OpSend, "socket udp connect 127.0.0.1:@U", ""},
	{"udp in fragments", "127.0.0.1:@U", hooks.OpSend, "socket udp connect 127.0.0.1:@U", ""},
	{"udp in fragments", "[::1]:@U", hooks.OpSend, "socket udp connect [::1]:@U", ""},
	{"udp reconnect", "127.0.0.1:@B 127.0.0.1:@U", hooks.OpConnect, "socket udp connect 127.0.0.1:@U", ""},
	{"udp connected, sendto another", "127.0.0.1:@B 127.0.0.1:@U", hooks.OpSend, "socket udp connect 127.0.0.1:@U", ""},
	{"udp answer to a forged question", "127.0.0.1:5300 10.9.9.9:@U", hooks.OpSend, "socket udp connect 10.9.9.9:@U", ""},
	{"bind", "tcp 127.0.0.1:7000", hooks.OpBind, "socket tcp listen 127.0.0.1:7000", ""},
	{"bind", "tcp mapped:127.0.0.1:7000", hooks.OpBind, "socket tcp listen 127.0.0.1:7000", ""},
	{"bind", "tcp 0.0.0.0:7000", hooks.OpBind, "socket tcp listen :7000", ""},
	{"bind", "tcp [::]:7000", hooks.OpBind, "socket tcp listen :7000", ""},
	{"bind", "udp [::1]:7000", hooks.OpBind, "socket udp listen [::1]:7000", ""},
	{"bind a shared port", "tcp [::]:@T", hooks.OpBind, "socket tcp listen :@T", ""},
	{"bind a shared port", "udp [::]:@U", hooks.OpBind, "socket udp listen :@U", ""},
	{"listen without bind", "", hooks.OpListen, "socket tcp listen 127.0.0.1:@P", "socket tcp listen 127.0.0.1:*"},
	{"listen on a chosen port", "127.0.0.1:0", hooks.OpListen, "socket tcp listen 127.0.0.1:@P", "socket tcp listen :*"},
	{"mptcp listen", "0.0.0.0:0", hooks.OpListen, "socket tcp listen 127.0.0.1:@P", "socket tcp listen 127.0.0.0/8:*"},
	{"udp receive", "127.0.0.1:0", hooks.OpListen, "socket udp listen 127.0.0.1:@P", "socket udp listen :*"},
	{"udp receive", "[::]:0", hooks.OpListen, "socket udp listen 127.0.0.1:@P", "socket udp listen :*"},
	{"unix connect", "@klw/stream", hooks.OpConnect, "socket unix connect @klw/stream", ""},
	{"unix connect", "@klw/stream", hooks.OpConnect, "socket unix connect @klw/stream", "socket unix connect @klw*"},
	{"unix seqpacket", "@klw/seqpacket", hooks.OpConnect, "socket unix connect @klw/seqpacket", ""},
	{"unix dgram connect", "@klw/dgram", hooks.OpConnect, "socket unix connect @klw/dgram", ""},
	{"unix sendto", "@klw/dgram", hooks.OpSend, "socket unix connect @klw/dgram", "socket unix connect @*"},
	{"socket", fmt.Sprint(inet, unix.SOCK_RAW, unix.IPPROTO_UDP), hooks.OpSocket, "", never},
	{"socket", fmt.Sprint(inet, unix.SOCK_RAW, unix.IPPROTO_RAW), hooks.OpSocket, "", never},
	{"socket", fmt.Sprint(inet6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6), hooks.OpSocket, "", never},
	{"socket", fmt.Sprint(inet, unix.SOCK_DGRAM, unix.IPPROTO_ICMP), hooks.OpSocket, "", never},
	{"socket", fmt.Sprint(inet6, unix.SOCK_DGRAM, unix.IPPROTO_ICMPV6), hooks.OpSocket, "", never},
	{"socket", fmt.Sprint(inet, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE), hooks.OpSocket, "", never},
}

// TestEscapes tries each escape in one world: without the module it must get through, with it it must not and there
// must be an event, and it must get through again with the rule that the event asks for.
func TestEscapes(t *testing.T) {
	const rules = `socket tcp connect :@A
socket udp connect :@B
socket tcp listen :1
socket udp listen 127.0.0.1:5300
socket udp connect 127.0.0.1:5300
`
	for _, e := range escapes {
		t.Run(e.attempt+" "+e.args, func(t *testing.T) {
			cgroup := newCgroup(t)
			inNetns(t, func() {
				w := newWorld(t, cgroup)
				if _, err := w.try(t, e.attempt, e.args); err != nil {
					t.Errorf("it doesn't even get through without the module: %v", err)
					return
				}
				m, r := load(t, cgroup, parse(t, w.ports.Replace(rules)))
				served, err := w.try(t, e.attempt, e.args)
				if !refused(err) {
					t.Errorf("not refused: %v", err)
				}
				want := strings.ReplaceAll(w.ports.Replace(e.hint), "@P", served)
				r.wait(t, e.op.String()+" "+want, func(c hooks.Call, hint string) bool {
					named := c.Caller.Comm != "" && c.Caller.PID != 0 || e.op == hooks.OpListen
					return c.Op == e.op && hint == want && named
				})
				if e.allow == never {
					return
				}
				if e.allow != "" {
					want = w.ports.Replace(e.allow)
				}
				if err := m.Replace(parse(t, w.ports.Replace(rules)+want+"\n")); err != nil {
					t.Error(err)
				}
				if _, err := w.try(t, e.attempt, e.args); err != nil {
					t.Errorf("refused with the rule %q: %v", want, err)
				}
			})
		})
	}
}
