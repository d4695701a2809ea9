package netguard

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

var (
	_ hooks.Module = (*Module)(nil)
	_ hooks.Kernel = (*Module)(nil)
)

// programsOn counts the programs that are attached to a cgroup.
func programsOn(t testing.TB, cgroup string) (n int) {
	t.Helper()
	dir, err := os.Open(cgroup)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, h := range hooksInOrder {
		there, err := link.QueryPrograms(link.QueryOptions{Target: int(dir.Fd()), Attach: h.attach})
		if err != nil {
			t.Fatal(err)
		}
		n += len(there.Programs)
	}
	return n
}

func TestLoadAndUnloadByTheMaster(t *testing.T) {
	cgroup := newCgroup(t)
	m, err := New(Options{Policy: parse(t, "socket tcp listen :80\n"), Cgroup: cgroup})
	if err != nil {
		t.Fatal(err)
	}
	master := hooks.NewMaster(nil)
	for range 2 {
		if _, err := master.Register(m); err != nil {
			t.Fatal(err)
		}
		if n := programsOn(t, cgroup); n != len(hooksInOrder) {
			t.Errorf("%d programs of %d are attached", n, len(hooksInOrder))
		}
		if err := m.Load(); err == nil {
			t.Error("loaded twice")
		}
		if err := master.Unregister("sockets"); err != nil {
			t.Fatal(err)
		}
		if n := programsOn(t, cgroup); n != 0 {
			t.Errorf("%d programs are left", n)
		}
	}
	if _, err := m.Stats(); !errors.Is(err, errNotLoaded) {
		t.Errorf("statistics of an unloaded module: %v", err)
	}
}

// TestNoneOrAll: another's program that allows no others is in the way of one of ours.
func TestNoneOrAll(t *testing.T) {
	for _, h := range hooksInOrder {
		cgroup := newCgroup(t)
		m, err := New(Options{Policy: parse(t, "socket tcp listen :80\n"), Cgroup: cgroup})
		if err == nil {
			err = m.Prepare()
		}
		if err != nil {
			t.Fatal(err)
		}
		dir, err := os.Open(cgroup)
		if err != nil {
			t.Fatal(err)
		}
		other := prepared(t, "socket tcp listen :1\n").kernel.programs[h.program]
		err = link.RawAttachProgram(link.RawAttachProgramOptions{Target: int(dir.Fd()), Program: other, Attach: h.attach})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Load(); err == nil || !strings.Contains(err.Error(), h.program) {
			t.Errorf("%s can't be attached, and Load says %v", h.program, err)
		}
		if n := programsOn(t, cgroup); n != 1 {
			t.Errorf("%s can't be attached, and %d of ours are", h.program, n-1)
		}
		if err := m.Unload(); err != nil {
			t.Error(err)
		}
		dir.Close()
	}
}

func TestNoSuchCgroup(t *testing.T) {
	m, err := New(Options{Policy: &policy.Policy{}, Cgroup: "/nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Load(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestOlderKernel: without the hooks for abstract names the rest is enforced, and a rule about them is refused.
func TestOlderKernel(t *testing.T) {
	cgroup := newCgroup(t)
	m, err := New(Options{Policy: parse(t, "socket tcp listen :80\n"), Cgroup: cgroup})
	if err != nil {
		t.Fatal(err)
	}
	if !m.Capabilities().AbstractConnect {
		t.Fatal("this kernel has no connect_unix: the tests want 6.7 or later")
	}
	m.caps = Capabilities{}
	if err := m.Load(); err != nil {
		t.Fatal(err)
	}
	if n := programsOn(t, cgroup); n != len(hooksInOrder)-2 {
		t.Errorf("%d programs are attached", n)
	}
	err = m.Replace(parse(t, "socket tcp listen :80\nsocket unix connect @a\n"))
	if err == nil || !strings.Contains(err.Error(), "test.policy:4") || !strings.Contains(err.Error(), "6.7") {
		t.Errorf("a rule that can't be enforced: %v", err)
	}
	if err := m.Unload(); err != nil {
		t.Error(err)
	}
}

// TestReplaceIsWhole asks for what both of two policies allow, each by another rule, and for what neither allows, while
// they take turns.
func TestReplaceIsWhole(t *testing.T) {
	m := prepared(t, "socket tcp listen :1\n")
	a := parse(t, "socket udp connect 192.0.2.1:53\nsocket udp connect 192.0.2.3:*\n")
	b := parse(t, "socket udp connect 192.0.2.0/31:*\n")
	if err := m.Replace(a); err != nil {
		t.Fatal(err)
	}
	both := v4("192.0.2.9:9", "192.0.2.1:53", policy.UDP)
	neither := v4("192.0.2.9:9", "192.0.2.2:53", policy.UDP)
	var wait sync.WaitGroup
	stop := make(chan struct{})
	wait.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				if n < 100 {
					t.Errorf("only %d rounds", n)
				}
				return
			default:
			}
			x, _, err1 := m.kernel.programs["egress"].Test(both)
			y, _, err2 := m.kernel.programs["egress"].Test(neither)
			if x != 1 || y != 0 || err1 != nil || err2 != nil {
				t.Errorf("both: %d, neither: %d; %v %v", x, y, err1, err2)
				return
			}
		}
	})
	for range 40 {
		for _, p := range []*policy.Policy{b, a} {
			if err := m.Replace(p); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	wait.Wait()
}

func TestReplaceRefusesWhole(t *testing.T) {
	m := prepared(t, "socket udp connect 192.0.2.1:53\n")
	bad := parse(t, "socket udp connect 192.0.2.2:53\nsocket udp connect 192.0.2.3:53\n")
	bad.General.Sockets[1].Net = netip.MustParsePrefix("0.0.0.0/32")
	if err := m.Replace(bad); err == nil || !strings.Contains(err.Error(), "test.policy:4") {
		t.Fatalf("connecting to nowhere: %v", err)
	}
	for dst, want := range map[string]uint32{"192.0.2.1:53": 1, "192.0.2.2:53": 0} {
		if got, _, err := m.kernel.programs["egress"].Test(v4("192.0.2.9:9", dst, policy.UDP)); got != want || err != nil {
			t.Errorf("%s: %d, %v", dst, got, err)
		}
	}
}

// TestManyRules: as many as an administrator will ever write, and each of them counts.
func TestManyRules(t *testing.T) {
	p := &policy.Policy{}
	const n = 20000
	for i := range n {
		p.General.Sockets = append(p.General.Sockets, manyRule(i))
	}
	m := prepared(t, "socket tcp listen :1\n")
	if err := m.Replace(p); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 1, n / 2, n - 1} {
		r := manyRule(i)
		q := Question{Op: hooks.OpSend, Protocol: policy.UDP, Addr: netipAddrPort(r)}
		if err := m.kernel.compare(m.rules.Load(), q); err != nil || !m.Decide(q).Allowed {
			t.Errorf("rule %d: %v", i, err)
		}
	}
	q := Question{Op: hooks.OpSend, Protocol: policy.UDP, Addr: netipAddrPort(manyRule(n))}
	if err := m.kernel.compare(m.rules.Load(), q); err != nil || m.Decide(q).Allowed {
		t.Errorf("no rule: %v", err)
	}
}

// TestFlood: what the ring can't take is counted and told.
func TestFlood(t *testing.T) {
	cgroup := newCgroup(t)
	m, r := load(t, cgroup, parse(t, "socket udp connect 192.0.2.1:53\n"))
	bad := v4("192.0.2.9:9", "192.0.2.2:53", policy.UDP)
	const n = 20000
	for range n {
		if got, _, err := m.kernel.programs["egress"].Test(bad); err != nil || got != 0 {
			t.Fatal(got, err)
		}
	}
	s, err := m.Stats()
	if err != nil || s.Refused != n || s.Lost == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	for deadline := time.Now().Add(4 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		r.mu.Lock()
		told, lost := uint64(len(r.calls)), r.lost
		r.mu.Unlock()
		if told+lost == n && lost == s.Lost {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d told, %d lost of %d; the kernel counts %+v", told, lost, n, s)
		}
	}
}

// TestGuardDies: the programs stay when the process that attached them is killed, and go with the cgroup.
func TestGuardDies(t *testing.T) {
	cgroup, guards := newCgroup(t), newCgroup(t)
	inNetns(t, func() {
		w := newWorld(t, cgroup)
		cmd, stop := childCommand(t, guards, "guard", cgroup)
		defer stop()
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Error(err)
			return
		}
		if n, err := out.Read(make([]byte, 10)); n == 0 {
			t.Error("the guard doesn't load:", err)
		}
		if err := cmd.Process.Signal(unix.SIGKILL); err != nil {
			t.Error(err)
		}
		cmd.Wait()
		if _, err := w.try(t, "tcp connect", "127.0.0.1:@T"); !refused(err) {
			t.Errorf("without the guard: %v", err)
		}
		if n := programsOn(t, cgroup); n != len(hooksInOrder) {
			t.Errorf("%d programs are attached", n)
		}
	})
}

// TestNothingIsLeft counts descriptors and goroutines.
func TestNothingIsLeft(t *testing.T) {
	cgroup := newCgroup(t)
	round := func() {
		m, err := New(Options{Policy: parse(t, "socket tcp listen :80\n"), Cgroup: cgroup})
		if err == nil {
			err = m.Load()
		}
		if err == nil {
			err = m.Replace(parse(t, "socket tcp listen :81\n"))
		}
		if err == nil {
			err = m.Unload()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	count := func() (fds, goroutines int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries), runtime.NumGoroutine()
	}
	round() // what is opened once stays
	fds, goroutines := count()
	for range 3 {
		round()
	}
	if f, g := count(); f > fds || g > goroutines {
		t.Errorf("%d descriptors more, %d goroutines more", f-fds, g-goroutines)
	}
}
