package netguard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"klw/hooks"
	"klw/internal/policy"
)

// A small world, so that rules and questions meet.
var (
	someAddrs = []netip.Addr{
		netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("10.0.0.1"),
		netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("fd00::1"),
		netip.MustParseAddr("fd00:1::1"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("0.0.0.0"), netip.IPv6Unspecified(),
	}
	somePorts = []uint16{80, 81, 8080}
	someNames = []string{"a", "ab", "abc", "b", "a\x00", strings.Repeat("x", 107)}
	someUsers = []uint32{0, 33}
)

func genRule(t *rapid.T) policy.SocketRule {
	r := policy.SocketRule{
		Protocol: rapid.SampledFrom([]policy.Protocol{policy.TCP, policy.UDP, policy.Unix}).Draw(t, "protocol"),
		Action:   rapid.SampledFrom([]policy.SocketAction{policy.Listen, policy.Connect}).Draw(t, "action"),
		Pos:      policy.Pos{File: "p", Line: rapid.IntRange(1, 99).Draw(t, "line")},
	}
	if r.Protocol == policy.Unix {
		r.Abstract = rapid.SampledFrom(someNames).Draw(t, "name")
		if r.Prefix = rapid.Bool().Draw(t, "prefix"); r.Prefix {
			r.Abstract = r.Abstract[:rapid.IntRange(0, len(r.Abstract)).Draw(t, "length")]
		}
		return r
	}
	r.Port = rapid.SampledFrom(append(somePorts, 0)).Draw(t, "port")
	if a := rapid.SampledFrom(append(someAddrs, netip.Addr{})).Draw(t, "address"); a.IsValid() {
		bits := rapid.IntRange(0, a.BitLen()).Draw(t, "bits")
		r.Net = netip.PrefixFrom(a, bits).Masked()
		if r.Net.Addr().IsUnspecified() && r.Net.IsSingleIP() && r.Action == policy.Connect {
			r.Net = netip.Prefix{}
		}
	}
	return r
}

func genPolicy(t *rapid.T) *policy.Policy {
	p := &policy.Policy{}
	p.General.Sockets = rapid.SliceOfN(rapid.Custom(genRule), 0, 4).Draw(t, "general")
	for _, uid := range someUsers {
		l := policy.UserRules{User: policy.User{ID: uid, HasID: true}}
		l.Sockets = rapid.SliceOfN(rapid.Custom(genRule), 0, 2).Draw(t, "user")
		p.PerUser = append(p.PerUser, l)
	}
	return p
}

func genQuestion(t *rapid.T) Question {
	q := Question{
		Op:       rapid.SampledFrom([]hooks.Operation{hooks.OpBind, hooks.OpConnect, hooks.OpSend}).Draw(t, "op"),
		Protocol: rapid.SampledFrom([]policy.Protocol{policy.TCP, policy.UDP, policy.Unix}).Draw(t, "protocol"),
		UID:      rapid.SampledFrom(someUsers).Draw(t, "uid"),
	}
	if q.Protocol == policy.TCP && q.Op == hooks.OpSend {
		q.Op = hooks.OpConnect
	}
	if q.Protocol == policy.Unix {
		q.Op = hooks.OpConnect
		q.Name = rapid.SampledFrom(someNames).Draw(t, "name")
		return q
	}
	q.Addr = netip.AddrPortFrom(rapid.SampledFrom(someAddrs).Draw(t, "address"), rapid.SampledFrom(somePorts).Draw(t, "port"))
	return q
}

// TestKernelAgreesWithModel asks real sockets of a process in the cgroup, of two users, and the model.
func TestKernelAgreesWithModel(t *testing.T) {
	cgroup := newCgroup(t)
	m, _ := load(t, cgroup, &policy.Policy{})
	inNetns(t, func() {
		ask, stop := startAsker(t, cgroup)
		defer stop()
		allowed, refused := 0, 0
		rapid.Check(t, func(rt *rapid.T) {
			if err := m.Replace(genStack(rt)); err != nil {
				rt.Fatal(err)
			}
			for _, q := range rapid.SliceOfN(rapid.Custom(genQuestion), 10, 10).Draw(rt, "questions") {
				got, want := ask(q), m.Decide(q).Allowed
				if got != want {
					rt.Fatalf("%s by user %d: the kernel says allowed=%t, the model %t", q, q.UID, got, want)
				}
				if got {
					allowed++
				} else {
					refused++
				}
			}
		})
		if allowed == 0 || refused == 0 {
			t.Errorf("%d allowed, %d refused: the test says nothing", allowed, refused)
		}
	})
}

// TestPacketsAgreeWithModel shows single packets to the programs. Their test socket is root's.
func TestPacketsAgreeWithModel(t *testing.T) {
	m := prepared(t, "socket tcp listen :1\n")
	rapid.Check(t, func(rt *rapid.T) {
		if err := m.Replace(genStack(rt)); err != nil {
			rt.Fatal(err)
		}
		for range 10 {
			q := genQuestion(rt)
			if q.Protocol == policy.Unix || q.Addr.Addr().IsUnspecified() || q.Addr.Addr().Is4In6() {
				continue
			}
			q.UID = 0
			switch {
			case q.Op == hooks.OpBind && q.Protocol == policy.UDP:
				q.Op = hooks.OpSend // UDP that comes in may be an answer: the model says nothing of that
			case q.Op == hooks.OpBind:
				q.Op = hooks.OpListen
			}
			if err := m.kernel.compare(m.rules.Load(), q); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// startAsker starts a process in the cgroup that tries what it is asked and says whether it was refused.
func startAsker(t *testing.T, cgroup string) (ask func(Question) bool, stop func()) {
	t.Helper()
	cmd, closeDir := childCommand(t, cgroup, "ask")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	ask = func(q Question) bool {
		addr := "-"
		if q.Addr.IsValid() {
			addr = q.Addr.String()
		}
		fmt.Fprintf(in, "%d %d %d %s %q\n", q.Op, q.Protocol, q.UID, addr, q.Name)
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v %s", q, err, stderr.String())
		}
		if strings.HasPrefix(line, "test:") {
			t.Fatalf("%s: %s", q, line)
		}
		return strings.HasPrefix(line, "allowed")
	}
	return ask, func() {
		in.Close()
		cmd.Wait()
		closeDir()
	}
}

func init() {
	attempts["ask"] = func([]string) error {
		runtime.LockOSThread()
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			q, err := parseQuestion(in.Text())
			if err == nil {
				err = tryAs(q)
			}
			var errno unix.Errno
			switch {
			case errors.Is(err, unix.EPERM):
				fmt.Println("refused")
			case err == nil || errors.As(err, &errno): // refused by something later, or not at all
				fmt.Println("allowed")
			default:
				fmt.Println("test:", err)
			}
		}
		return nil
	}
}

func parseQuestion(line string) (q Question, err error) {
	f := strings.SplitN(line, " ", 5)
	var op, proto int
	if _, err = fmt.Sscan(f[0]+" "+f[1]+" "+f[2], &op, &proto, &q.UID); err != nil {
		return q, err
	}
	q.Op, q.Protocol = hooks.Operation(op), policy.Protocol(proto)
	if q.Protocol != policy.Unix {
		q.Addr, err = netip.ParseAddrPort(f[3])
		return q, err
	}
	q.Name, err = strconv.Unquote(f[4])
	return q, err
}

// tryAs does what is asked as a user: of this thread only, as which it comes back by its saved id.
func tryAs(q Question) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(q.UID), uintptr(q.UID), 0); errno != 0 {
		return fmt.Errorf("become %d: %s", q.UID, errno.Error())
	}
	defer unix.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0)
	return try(q)
}

func try(q Question) error {
	if q.Protocol == policy.Unix {
		return connectAbstract(q.Name)
	}
	sa, family := sockaddr(q.Addr.String())
	typ := unix.SOCK_STREAM
	if q.Protocol == policy.UDP {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch q.Op {
	case hooks.OpBind:
		return unix.Bind(fd, sa)
	case hooks.OpSend:
		return unix.Sendto(fd, []byte("x"), 0, sa)
	}
	return unix.Connect(fd, sa)
}

// connectAbstract can do names of full length and with zeros, unlike unix.Connect.
func connectAbstract(name string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	raw := append([]byte{unix.AF_UNIX, 0, 0}, name...)
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&raw[0])), uintptr(len(raw)))
	if errno != 0 {
		return errno
	}
	return nil
}
