package netguard

import (
	"net/netip"
	"testing"

	"klw/internal/policy"
)

// BenchmarkLoad is what the guard pays at a container's start.
func BenchmarkLoad(b *testing.B) {
	cgroup := newCgroup(b)
	p := parse(b, "socket tcp listen :80\nsocket tcp connect 10.0.0.0/24:5432\n")
	for b.Loop() {
		m, err := New(Options{Policy: p, Cgroup: cgroup})
		if err == nil {
			err = m.Load()
		}
		if err == nil {
			err = m.Unload()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func manyRule(i int) policy.SocketRule {
	a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	return policy.SocketRule{Protocol: policy.UDP, Action: policy.Connect, Net: netip.PrefixFrom(a, 32), Port: 53}
}

func netipAddrPort(r policy.SocketRule) netip.AddrPort {
	return netip.AddrPortFrom(r.Net.Addr(), r.Port)
}
