package netguard

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

// BenchmarkConnect measures connect() on a UDP socket (nothing but the call), a TCP connection to its close, and a
// datagram and its answer, in a cgroup without programs, with them, and with many rules.
func BenchmarkConnect(b *testing.B) {
	many := &policy.Policy{}
	for i := range 20000 {
		many.General.Sockets = append(many.General.Sockets, manyRule(i))
	}
	for _, guard := range []struct {
		name string
		p    *policy.Policy
	}{{"native", nil}, {"guarded", &policy.Policy{}}, {"20000 rules", many}} {
		for _, what := range []string{"udp connect", "tcp connection", "udp echo"} {
			b.Run(guard.name+"/"+what, func(b *testing.B) { benchmarkIn(b, guard.p, what) })
		}
	}
}

func benchmarkIn(b *testing.B, p *policy.Policy, what string) {
	cgroup := newCgroup(b)
	inNetns(b, func() {
		w := newWorld(b, cgroup)
		if p != nil {
			allow := parse(b, w.ports.Replace("socket tcp connect 127.0.0.1:@T\nsocket udp connect 127.0.0.1:@U\n"))
			allow.General.Sockets = append(allow.General.Sockets, p.General.Sockets...)
			load(b, cgroup, allow)
		}
		to := w.ports.Replace(map[string]string{"tcp connection": "127.0.0.1:@T"}[what])
		if to == "" {
			to = w.ports.Replace("127.0.0.1:@U")
		}
		var ns string
		err := child(b, cgroup, "bench", []string{what, to, strconv.Itoa(b.N)}, func(line string) { ns = line })
		each, err2 := strconv.ParseFloat(ns, 64)
		if err != nil || err2 != nil {
			b.Errorf("%v %v", err, err2)
		}
		b.ReportMetric(each, "ns/op")
	})
}

func init() {
	attempts["bench"] = func(a []string) error {
		n, err := strconv.Atoi(a[2])
		if err != nil {
			return err
		}
		sa, _ := sockaddr(a[1])
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		do := map[string]func() error{
			"udp connect":    func() error { return unix.Connect(fd, sa) },
			"tcp connection": func() error { return tcpConnect(a[1], 0) },
			"udp echo": func() error {
				if err := unix.Sendto(fd, []byte("hello"), 0, sa); err != nil {
					return err
				}
				_, _, err := unix.Recvfrom(fd, make([]byte, 16), 0)
				return err
			},
		}[a[0]]
		start := time.Now()
		for range n {
			if err := do(); err != nil {
				return err
			}
		}
		fmt.Println(float64(time.Since(start).Nanoseconds()) / float64(n))
		return nil
	}
}
