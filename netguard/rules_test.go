package netguard

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"klw/hooks"
	"klw/internal/policy"
)

// TestSizes holds the Go structures to bpf/maps.h, whose sizes the compiled maps carry.
func TestSizes(t *testing.T) {
	m := prepared(t, "socket tcp listen :1\n")
	for name, v := range map[string]any{"inet_sets": inetKey{}, "unix_sets": unixKey{}} {
		if got, want := m.kernel.spec.Maps[name].InnerMap.KeySize, binary.Size(v); int(got) != want {
			t.Errorf("%s: a key has %d bytes in the kernel and %d here", name, got, want)
		}
	}
	if n := binary.Size(rawEvent{}); n != 164 {
		t.Errorf("an event has %d bytes", n)
	}
	if n := m.kernel.Counters.MaxEntries(); n != numCounters {
		t.Errorf("%d counters", n)
	}
}

func TestDecide(t *testing.T) {
	p := parse(t, `socket tcp connect 10.0.0.0/8:*
socket tcp connect 10.0.0.0/24:80
socket tcp connect :80
socket tcp listen 0.0.0.0:81
socket tcp listen [::]:82
socket udp listen 10.0.0.1:53
socket unix connect @a*
socket unix connect @ab
`)
	const tcp, udp, abstract = policy.TCP, policy.UDP, policy.Unix
	for _, c := range []struct {
		op    hooks.Operation
		proto policy.Protocol
		what  string
		rule  string // "" is refused
		hint  string
	}{
		{hooks.OpConnect, tcp, "10.1.2.3:99", "test.policy:3", ""},
		{hooks.OpConnect, tcp, "10.0.0.3:80", "test.policy:4", ""},
		{hooks.OpConnect, tcp, "[::ffff:10.0.0.3]:80", "test.policy:4", ""},
		{hooks.OpConnect, tcp, "10.1.2.3:80", "test.policy:5", ""},
		{hooks.OpConnect, tcp, "[fd00::1]:80", "test.policy:5", ""},
		{hooks.OpConnect, tcp, "11.0.0.1:81", "", "socket tcp connect 11.0.0.1:81"},
		{hooks.OpConnect, tcp, "[fd00::1%eth0]:81", "", "socket tcp connect [fd00::1]:81"},
		{hooks.OpConnect, tcp, "0.0.0.0:81", "", "socket tcp connect 127.0.0.1:81"},
		{hooks.OpConnect, udp, "10.0.0.3:80", "", "socket udp connect 10.0.0.3:80"},
		{hooks.OpSend, udp, "[::]:80", "", "socket udp connect [::1]:80"},
		{hooks.OpBind, tcp, "0.0.0.0:81", "test.policy:6", ""},
		{hooks.OpListen, tcp, "192.0.2.1:81", "test.policy:6", ""},
		{hooks.OpBind, tcp, "[::]:81", "", "socket tcp listen :81"},
		{hooks.OpBind, tcp, "[::]:82", "test.policy:7", ""},
		{hooks.OpListen, tcp, "192.0.2.1:82", "", "socket tcp listen 192.0.2.1:82"},
		{hooks.OpBind, tcp, "0.0.0.0:0", hooks.NoRule, ""},
		{hooks.OpListen, tcp, "10.0.0.1:40000", "", "socket tcp listen 10.0.0.1:40000"},
		{hooks.OpBind, udp, "10.0.0.1:53", "test.policy:8", ""},
		{hooks.OpBind, udp, "0.0.0.0:53", "", "socket udp listen :53"},
		{hooks.OpConnect, abstract, "ab", "test.policy:10", ""},
		{hooks.OpConnect, abstract, "abc", "test.policy:9", ""},
		{hooks.OpSend, abstract, "b", "", "socket unix connect @b"},
		{hooks.OpSend, abstract, "b\x00", "", ""},
		{hooks.OpConnect, tcp, "11.0.0.1:0", "", ""},
		{hooks.OpBind, abstract, "b", hooks.NoRule, ""},
	} {
		q := Question{Op: c.op, Protocol: c.proto}
		if c.proto == abstract {
			q.Name = c.what
		} else {
			q.Addr = netip.MustParseAddrPort(c.what)
		}
		want := Answer{Allowed: c.rule != "", Rule: c.rule, Hint: c.hint}
		if !want.Allowed {
			want.Rule = hooks.NoRule
		}
		if got, err := Decide(p, nil, q); got != want || err != nil {
			t.Errorf("%s: %+v, %v; want %+v", q, got, err, want)
		}
	}
}

// TestHintsAreRules: what an event proposes can be written into a policy and allows the call.
func TestHintsAreRules(t *testing.T) {
	for _, q := range []Question{
		{Op: hooks.OpConnect, Protocol: policy.TCP, Addr: netip.MustParseAddrPort("[::1]:80")},
		{Op: hooks.OpBind, Protocol: policy.UDP, Addr: netip.MustParseAddrPort("0.0.0.0:53")},
		{Op: hooks.OpConnect, Protocol: policy.Unix, Name: "with blank"},
		{Op: hooks.OpConnect, Protocol: policy.Unix, Name: "star*"},
		{Op: hooks.OpConnect, Protocol: policy.Unix, Name: "\x01\n\xff"},
	} {
		a, err := Decide(&policy.Policy{}, nil, q)
		if a.Allowed || err != nil {
			t.Fatalf("%s: %+v %v", q, a, err)
		}
		p, err := policy.Parse("p", []byte("application a\n@general\n"+a.Hint+"\n"))
		if err != nil {
			t.Errorf("%q is no rule: %v", a.Hint, err)
			continue
		}
		if b, err := Decide(p, nil, q); !b.Allowed || err != nil {
			t.Errorf("%q doesn't allow %s", a.Hint, q)
		}
	}
}
