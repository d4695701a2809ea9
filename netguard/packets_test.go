package netguard

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"klw/internal/policy"
)

// prepared loads the programs without attaching them.
func prepared(t testing.TB, rules string) *Module {
	t.Helper()
	m, err := New(Options{Policy: parse(t, rules), Cgroup: "/nowhere"})
	if err == nil {
		err = m.Prepare()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Unload(); err != nil {
			t.Error(err)
		}
	})
	return m
}

const eth = 14 // the Ethernet header before the packets below

func v4(src, dst string, proto policy.Protocol) []byte {
	return packet(proto, netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst))
}

// with changes a packet.
func with(b []byte, f func(ip []byte)) []byte {
	f(b[eth:])
	return b
}

// flags sets the TCP flags of an IPv4 packet.
func flags(b []byte, fl byte) []byte { return with(b, func(ip []byte) { ip[20+13] = fl }) }

// protocol sets the protocol of an IPv4 packet and the first byte behind the header.
func protocol(b []byte, proto, first byte) []byte {
	return with(b, func(ip []byte) { ip[9], ip[20] = proto, first })
}

// options makes room for IPv4 options.
func options(b []byte, opt ...byte) []byte {
	out := append([]byte(nil), b[:eth+20]...)
	out = append(append(out, opt...), b[eth+20:]...)
	out[eth] += byte(len(opt) / 4)
	return out
}

// extend puts IPv6 extension headers of 8 bytes between header and payload.
func extend(b []byte, headers ...byte) []byte {
	out := append([]byte(nil), b[:eth+40]...)
	at, next := eth+6, b[eth+6]
	for _, h := range headers {
		out[at] = h
		at = len(out)
		out = append(out, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	out[at] = next
	return append(out, b[eth+40:]...)
}

const packetRules = `socket udp connect 192.0.2.1:53
socket udp connect [2001:db8::1]:53
socket tcp connect 192.0.2.1:80
socket udp listen 192.0.2.1:7
socket tcp listen 192.0.2.1:8
`

func TestPackets(t *testing.T) {
	m := prepared(t, packetRules)
	udp4 := func() []byte { return v4("192.0.2.9:9", "192.0.2.1:53", policy.UDP) }
	udp6 := func() []byte { return v4("[2001:db8::9]:9", "[2001:db8::1]:53", policy.UDP) }
	syn := func() []byte { return v4("192.0.2.9:9", "192.0.2.1:80", policy.TCP) }
	bad := func() []byte { return v4("192.0.2.9:9", "192.0.2.2:80", policy.TCP) }
	icmp6 := func(typ byte) []byte {
		return with(udp6(), func(ip []byte) { ip[6], ip[40] = unix.IPPROTO_ICMPV6, typ })
	}
	mapped := func(dst string) []byte {
		return with(udp6(), func(ip []byte) { a := netip.MustParseAddr(dst).As16(); copy(ip[24:], a[:]) })
	}
	const out, in = "egress", "ingress"
	for _, c := range []struct {
		name    string
		program string
		packet  []byte
		pass    bool
	}{
		{"allowed UDP", out, udp4(), true},
		{"UDP to another port", out, v4("192.0.2.9:9", "192.0.2.1:54", policy.UDP), false},
		{"UDP to another address", out, v4("192.0.2.9:9", "192.0.2.2:53", policy.UDP), false},
		{"allowed UDP over IPv6", out, udp6(), true},
		{"v4-mapped, allowed", out, mapped("::ffff:192.0.2.1"), true},
		{"v4-mapped, another", out, mapped("::ffff:192.0.2.2"), false},
		{"v4-compatible is something else", out, mapped("::192.0.2.1"), false},

		{"first fragment", out, with(udp4(), func(ip []byte) { ip[6] = 0x20 }), false},
		{"later fragment", out, with(udp4(), func(ip []byte) { ip[7] = 1 }), false},
		{"don't fragment", out, with(udp4(), func(ip []byte) { ip[6] = 0x40 }), true},
		{"IPv6 fragment", out, extend(udp6(), 44), false},
		{"fragment in", in, with(v4("192.0.2.9:9", "192.0.2.1:7", policy.UDP), func(ip []byte) { ip[6] = 0x20 }), false},

		{"source route out", out, options(udp4(), 131, 7, 4, 192, 0, 2, 77, 0), false},
		{"options out", out, options(udp4(), 1, 1, 1, 1), false},
		{"options in", in, options(v4("192.0.2.9:9", "192.0.2.1:7", policy.UDP), 1, 1, 1, 1), true},
		{"options in, another port", in, options(v4("192.0.2.9:9", "192.0.2.1:9", policy.UDP), 1, 1, 1, 1), false},
		{"extension headers", out, extend(udp6(), 0, 60, 60), true},
		{"extension headers before another port", out, extend(v4("[2001:db8::9]:9", "[2001:db8::1]:54", policy.UDP), 0, 60), false},
		{"too many extension headers", out, extend(udp6(), 60, 60, 60, 60, 60, 60, 60, 60, 60), false},
		{"routing header out", out, extend(udp6(), 43), false},
		{"routing header in, an answer", in, extend(v4("[2001:db8::1]:53", "[2001:db8::9]:9", policy.UDP), 43), true},
		{"cut off behind the header", out, udp4()[:eth+22], false},
		{"cut off in an extension header", out, extend(udp6(), 60)[:eth+41], false},
		{"header shorter than a header", out, with(udp4(), func(ip []byte) { ip[0] = 0x44 }), false},
		{"IPv6 in an IPv4 frame", out, with(udp4(), func(ip []byte) { ip[0] = 0x65 }), false},

		{"allowed SYN", out, syn(), true},
		{"other SYN", out, bad(), false},
		{"other SYN with ECN", out, flags(bad(), 0xc2), false},
		{"other SYN with FIN", out, flags(bad(), 0x03), false},
		{"other SYN with ACK, an answer", out, flags(bad(), 0x12), true},
		{"other ACK", out, flags(bad(), 0x10), true},
		{"SYN to a port with a rule", in, v4("192.0.2.9:9", "192.0.2.1:8", policy.TCP), true},
		{"SYN to another port", in, v4("192.0.2.9:9", "192.0.2.1:80", policy.TCP), false},
		{"SYN to another address", in, v4("192.0.2.9:9", "192.0.2.2:8", policy.TCP), false},
		{"ACK to a port without rule", in, flags(v4("192.0.2.9:9", "192.0.2.1:80", policy.TCP), 0x10), false},

		{"UDP to a port with a rule", in, v4("192.0.2.1:9", "192.0.2.1:7", policy.UDP), true},
		{"the same over the loopback from elsewhere", in, v4("192.0.2.7:9", "192.0.2.1:7", policy.UDP), true},
		{"UDP to another port", in, v4("192.0.2.9:9", "192.0.2.1:9", policy.UDP), false},
		{"UDP from an allowed peer", in, v4("192.0.2.1:53", "192.0.2.9:9", policy.UDP), true},
		{"UDP from an allowed peer's other port", in, v4("192.0.2.1:54", "192.0.2.9:9", policy.UDP), false},
		{"answer to who has spoken", out, v4("192.0.2.1:7", "192.0.2.1:9", policy.UDP), true},
		{"answer to who can't have spoken", out, v4("192.0.2.1:7", "192.0.2.7:9", policy.UDP), false},
		{"answer from another port", out, v4("192.0.2.1:6", "192.0.2.1:9", policy.UDP), false},
		{"answer to another port", out, v4("192.0.2.1:7", "192.0.2.1:10", policy.UDP), false},
		{"answer to who hasn't spoken", out, v4("192.0.2.1:7", "192.0.2.8:9", policy.UDP), false},

		{"ICMP echo request", out, protocol(udp4(), unix.IPPROTO_ICMP, 8), false},
		{"ICMP unreachable", out, protocol(udp4(), unix.IPPROTO_ICMP, 3), true},
		{"ICMP in", in, protocol(udp4(), unix.IPPROTO_ICMP, 3), false},
		{"ICMPv6 in IPv4", out, protocol(udp4(), unix.IPPROTO_ICMPV6, 135), false},
		{"ICMPv6 echo request", out, icmp6(128), false},
		{"neighbour solicitation", out, icmp6(135), true},
		{"multicast report", out, icmp6(143), true},
		{"SCTP", out, protocol(udp4(), unix.IPPROTO_SCTP, 0), false},
		{"GRE", out, protocol(udp4(), unix.IPPROTO_GRE, 0), false},
		{"IP in IP", out, protocol(udp4(), unix.IPPROTO_IPIP, 0x45), false},
		{"UDP-Lite", out, protocol(udp4(), unix.IPPROTO_UDPLITE, 0), false},
		{"no next header", out, with(udp6(), func(ip []byte) { ip[6] = 59 }), false},
	} {
		got, _, err := m.kernel.programs[c.program].Test(c.packet)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if (got == 1) != c.pass {
			t.Errorf("%s: the program answers %d", c.name, got)
		}
	}
}

// TestFlowsEnd: an answer is allowed for a time only. The clock is turned by writing the time of the last packet.
func TestFlowsEnd(t *testing.T) {
	m := prepared(t, packetRules)
	answer := v4("192.0.2.1:7", "192.0.2.1:9", policy.UDP)
	ask := func(program string, p []byte) uint32 {
		got, _, err := m.kernel.programs[program].Test(p)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if ask("egress", answer) != 0 {
		t.Fatal("an answer before the question")
	}
	ask("ingress", v4("192.0.2.1:9", "192.0.2.1:7", policy.UDP))
	if ask("egress", answer) != 1 {
		t.Fatal("no answer after the question")
	}
	var key, value []byte
	entries := m.kernel.Flows.Iterate()
	if !entries.Next(&key, &value) {
		t.Fatal("no flow is noted")
	}
	seen := binary.NativeEndian.Uint64(value)
	binary.NativeEndian.PutUint64(value, seen-181e9)
	if err := m.kernel.Flows.Put(key, value); err != nil {
		t.Fatal(err)
	}
	if ask("egress", answer) != 0 {
		t.Error("an answer after more than three minutes")
	}
}
