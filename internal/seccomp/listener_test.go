package seccomp

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// example makes a call that falls under a refusal. The upper half of 32-bit arguments holds what the kernel ignores.
func example(t testing.TB, r Refusal, n int) sys {
	c := sys{Nr: mustCall(t.(*testing.T), native(), r.Call)}
	if len(r.any) == 0 {
		return c
	}
	for _, cond := range r.any[n] {
		v := cond.value
		switch cond.op {
		case opAny:
			v = cond.mask & -cond.mask
		case opNe:
			v = 38 // AF_ALG, and no netlink protocol
		}
		if cond.low {
			v |= 5 << 32
		}
		c.Args[cond.arg] = v
	}
	return c
}

// TestEveryRefusal makes a call of each kind on the list in the kernel.
func TestEveryRefusal(t *testing.T) {
	j := job{Program: Contain(Options{NoQueues: true}), UID: 33}
	var want []Refusal
	for _, r := range Refusals() {
		if _, ok := native().numberOf(r.Call); !ok {
			continue
		}
		for n := range max(len(r.any), 1) {
			j.Calls = append(j.Calls, example(t, r, n))
			want = append(want, r)
		}
	}
	got, told, pid := served(t, j)
	if len(got) != len(want) {
		t.Fatalf("%d answers to %d calls", len(got), len(want))
	}
	for i, r := range want {
		if got[i] != r.Errno {
			t.Errorf("%s %s %x: %v, want %v", r.Call, r.When, j.Calls[i].Args, got[i], r.Errno)
		}
		if r.Quiet {
			continue
		}
		if len(told) == 0 {
			t.Fatalf("%s %s: not told", r.Call, r.When)
		}
		e := told[0]
		told = told[1:]
		if e.Call != r.Call || e.When != r.When || e.Errno != r.Errno || e.Kind != r.Kind {
			t.Errorf("%s %s: told as %s %s, %v", r.Call, r.When, e.Call, e.When, e.Errno)
		}
		if int(e.PID) != pid || e.UID != 33 || e.GID != 0 {
			t.Errorf("%s: told of pid %d, uid %d, gid %d", r.Call, e.PID, e.UID, e.GID)
		}
		if !strings.HasPrefix(e.Text, r.Call+"(") {
			t.Errorf("%s: told as %q", r.Call, e.Text)
		}
	}
	if len(told) > 0 {
		t.Errorf("told besides: %v", told)
	}
}

// TestTexts holds what events say.
func TestTexts(t *testing.T) {
	nr := func(name string) uint32 { return mustCall(t, native(), name) }
	calls := []struct {
		call sys
		want unix.Errno
		text string
	}{
		{sys{Nr: nr("mount")}, unix.EPERM, "mount(...)"},
		{sys{Nr: nr("setuid"), Args: [6]uint64{7 << 32}}, unix.EPERM, "setuid(0)"},
		{sys{Nr: nr("setreuid"), Args: [6]uint64{0xffffffff, 0}}, unix.EPERM, "setreuid(-1, 0)"},
		{sys{Nr: nr("setresuid"), Args: [6]uint64{0, 33, ^uint64(0)}}, unix.EPERM, "setresuid(0, 33, -1)"},
		{sys{Nr: nr("setfsuid")}, unix.EPERM, "setfsuid(0)"},
		{sys{Nr: nr("unshare"), Args: [6]uint64{unix.CLONE_NEWUSER | unix.CLONE_NEWNS}}, unix.EPERM, "unshare(CLONE_NEWNS|CLONE_NEWUSER)"},
		{sys{Nr: nr("unshare"), Args: [6]uint64{1 << 40}}, unix.EPERM, "unshare(0x10000000000)"},
		{sys{Nr: nr("clone"), Args: [6]uint64{unix.CLONE_NEWPID | 17}}, unix.EPERM, "clone(CLONE_NEWPID, ...)"},
		{sys{Nr: nr("setns"), Args: [6]uint64{9, 0}}, unix.EPERM, "setns(9, 0x0)"},
		{sys{Nr: nr("socket"), Args: [6]uint64{unix.AF_PACKET, unix.SOCK_RAW | unix.SOCK_CLOEXEC, 768}}, unix.EAFNOSUPPORT,
			"socket(AF_PACKET, SOCK_RAW, 768)"},
		{sys{Nr: nr("socket"), Args: [6]uint64{unix.AF_INET, unix.SOCK_PACKET, 768}}, unix.EAFNOSUPPORT,
			"socket(AF_INET, SOCK_PACKET, 768)"},
		{sys{Nr: nr("socket"), Args: [6]uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT}}, unix.EPROTONOSUPPORT,
			"socket(AF_NETLINK, SOCK_RAW, 9)"},
		{sys{Nr: nr("mknodat"), Args: [6]uint64{0, 0, unix.S_IFBLK | 0o600, 0x800}}, unix.EPERM, "mknodat(..., S_IFBLK|0600, 8:0)"},
		{sys{Nr: nr("ioctl"), Args: [6]uint64{0, unix.TIOCSTI}}, unix.EPERM, "ioctl(0, TIOCSTI)"},
		{sys{Nr: nr("seccomp"), Args: [6]uint64{1, 8}}, unix.EBUSY, "seccomp(1, 0x8, ...)"},
		{sys{Nr: nr("io_uring_setup")}, unix.ENOSYS, "io_uring_setup(...)"},
	}
	j := job{Program: Contain(Options{}), UID: 33}
	for _, c := range calls {
		j.Calls = append(j.Calls, c.call)
	}
	got, told, _ := served(t, j)
	if len(told) != len(calls) {
		t.Fatalf("%d told of %d", len(told), len(calls))
	}
	for i, c := range calls {
		if got[i] != c.want || told[i].Text != c.text {
			t.Errorf("%v %s, want %v %s", got[i], told[i].Text, c.want, c.text)
		}
	}
}

// TestNeighbours makes calls that are close to refused ones and must go on working.
func TestNeighbours(t *testing.T) {
	nr := func(name string) uint32 { return mustCall(t, native(), name) }
	calls := []struct {
		name string
		call sys
		want unix.Errno // the kernel's own answer
	}{
		{"unshare of the file table", sys{Nr: nr("unshare"), Args: [6]uint64{unix.CLONE_FILES | unix.CLONE_FS}}, 0},
		{"TCP socket", sys{Nr: nr("socket"), Args: [6]uint64{unix.AF_INET, unix.SOCK_STREAM}}, 0},
		{"TCP6 socket", sys{Nr: nr("socket"), Args: [6]uint64{unix.AF_INET6, unix.SOCK_STREAM}}, 0},
		{"UNIX socket", sys{Nr: nr("socket"), Args: [6]uint64{unix.AF_UNIX, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC}}, 0},
		{"route socket", sys{Nr: nr("socket"), Args: [6]uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}}, 0},
		{"socket pair", sys{Nr: nr("socketpair"), Args: [6]uint64{unix.AF_UNIX, unix.SOCK_STREAM}}, unix.EFAULT},
		{"mknod of a FIFO", sys{Nr: nr("mknodat"), Args: [6]uint64{0, 0, unix.S_IFIFO}}, unix.EFAULT},
		{"terminal size", sys{Nr: nr("ioctl"), Args: [6]uint64{1, unix.TIOCGWINSZ}}, unix.ENOTTY},
		{"filter without listener", sys{Nr: nr("seccomp"), Args: [6]uint64{unix.SECCOMP_SET_MODE_FILTER, 0}}, unix.EFAULT},
		{"prctl filter", sys{Nr: nr("prctl"), Args: [6]uint64{unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER}}, unix.EFAULT},
		{"chroot", sys{Nr: nr("chroot")}, unix.EFAULT},
		{"ptrace", sys{Nr: nr("ptrace"), Args: [6]uint64{unix.PTRACE_ATTACH, 1 << 30}}, unix.ESRCH},
		{"process_vm_readv", sys{Nr: nr("process_vm_readv"), Args: [6]uint64{1 << 30}}, 0},
		{"pidfd_getfd", sys{Nr: nr("pidfd_getfd"), Args: [6]uint64{1 << 20}}, unix.EBADF},
		{"personality", sys{Nr: nr("personality"), Args: [6]uint64{0xffffffff}}, 0},
		{"statmount", sys{Nr: nr("statmount")}, unix.EFAULT},
		{"a number of the future", sys{Nr: 600}, unix.ENOSYS},
		{"a hole in the table", sys{Nr: 400}, unix.ENOSYS},
		{"a skipped call", sys{Nr: 0xffffffff}, unix.ENOSYS},
		{"setgid", sys{Nr: nr("setgid"), Args: [6]uint64{0}}, 0},
	}
	j := job{Program: Contain(Options{})}
	for _, c := range calls {
		j.Calls = append(j.Calls, c.call)
	}
	got, told, _ := served(t, j)
	for i, c := range calls {
		if got[i] != c.want {
			t.Errorf("%s: %v, want %v", c.name, got[i], c.want)
		}
	}
	if len(told) > 0 {
		t.Errorf("told: %v", told)
	}
}

// TestForeign makes calls of x32 and of 32-bit x86.
func TestForeign(t *testing.T) {
	getpid := mustCall(t, archX32, "getpid")
	j := job{Program: Contain(Options{}), Calls: []sys{{Nr: getpid}, {Nr: x32Bit | 520}, {Nr: x32Bit | 600}, {Nr: 20, Int80: true}}}
	texts := []string{"x32 getpid(...)", "x32 execve(...)", "x32 call 600(...)", "i386 getpid(...)"}
	got, told, _ := served(t, j)
	if len(told) != len(texts) {
		t.Fatalf("told %v", told)
	}
	for i, text := range texts {
		if got[i] != unix.ENOSYS || told[i].Text != text {
			t.Errorf("%v %s, want %v %s", got[i], told[i].Text, unix.ENOSYS, text)
		}
	}
}

// TestAsked: calls that change user ids happen, or seem to, as the guard decides; others are refused whatever it says.
func TestAsked(t *testing.T) {
	nr := func(name string) uint32 { return mustCall(t, native(), name) }
	keep := ^uint64(0)
	calls := []struct {
		call sys
		say  Answer
		want unix.Errno
		ids  []uint32
		uids [4]uint32 // before
	}{
		{sys{Nr: nr("mount")}, Pass, unix.EPERM, nil, [4]uint32{}},
		{sys{Nr: nr("mount")}, Ignore, unix.EPERM, nil, [4]uint32{}},
		{sys{Nr: nr("setuid"), Args: [6]uint64{7<<32 | 34}}, Refuse, unix.EPERM, []uint32{34}, [4]uint32{}},
		{sys{Nr: nr("setuid"), Args: [6]uint64{34}}, Ignore, 0, []uint32{34}, [4]uint32{}},
		{sys{Nr: nr("setresuid"), Args: [6]uint64{keep, 33, keep}}, Pass, 0, []uint32{33}, [4]uint32{}},
		{sys{Nr: nr("setfsuid"), Args: [6]uint64{0}}, Pass, 33, []uint32{0}, [4]uint32{0, 33, 0, 33}}, // gives the old one
		{sys{Nr: nr("setreuid"), Args: [6]uint64{33, keep}}, Pass, 0, []uint32{33}, [4]uint32{0, 33, 0, 0}},
		{sys{Nr: nr("setresuid"), Args: [6]uint64{33, 33, 33}}, Pass, 0, []uint32{33, 33, 33}, [4]uint32{33, 33, 33, 33}},
		{sys{Nr: nr("setuid"), Args: [6]uint64{0}}, Pass, unix.EPERM, []uint32{0}, [4]uint32{33, 33, 33, 33}},
	}
	j := job{Program: Contain(Options{})}
	for _, c := range calls {
		j.Calls = append(j.Calls, c.call)
	}
	n := 0
	got, told, _ := servedBy(t, j, func(Refused) Answer { n++; return calls[n-1].say })
	if len(told) != len(calls) || len(got) != len(calls) {
		t.Fatalf("%v, told %v", got, told)
	}
	for i, c := range calls {
		if (got[i] != c.want && told[i].Call != "setfsuid") || !slices.Equal(told[i].IDs(), c.ids) || told[i].UIDs != c.uids {
			t.Errorf("call %d: %v for %v by %v, want %v for %v by %v", i, got[i], told[i].IDs(), told[i].UIDs, c.want, c.ids, c.uids)
		}
	}
}

// TestManyCalls: several processes of one listener make thousands of refused calls; each is told, once.
func TestManyCalls(t *testing.T) {
	const copies, repeat = 4, 1500
	j := job{Program: Contain(Options{}), Calls: []sys{{Nr: mustCall(t, native(), "mount")}}, Copies: copies, Repeat: repeat,
		Silent: true}
	began := time.Now()
	_, told, _ := served(t, j)
	t.Logf("%.0f calls a second", float64(len(told))/time.Since(began).Seconds())
	if len(told) != copies*repeat {
		t.Errorf("%d told, want %d", len(told), copies*repeat)
	}
	count := map[uint32]int{}
	for _, r := range told {
		count[r.PID]++
	}
	for pid, n := range count {
		if n != repeat {
			t.Errorf("process %d: %d told, want %d", pid, n, repeat)
		}
	}
}

// TestCallerDies: callers are killed while their call waits. The others go on, and Serve ends with the last.
func TestCallerDies(t *testing.T) {
	const copies, repeat = 6, 50
	g := guarded(t, job{Program: Contain(Options{}), Calls: []sys{{Nr: mustCall(t, native(), "mount")}}, Copies: copies,
		Repeat: repeat, Silent: true})
	defer g.Close()
	defer unix.Close(g.socket)
	count := map[uint32]int{}
	dies := map[uint32]bool{} // every second one
	done := make(chan error)
	go func() {
		done <- g.Serve(func(r Refused) Answer {
			if count[r.PID]++; count[r.PID] == 1 {
				dies[r.PID] = len(count)%2 == 0
			}
			if dies[r.PID] && count[r.PID] == 10 {
				unix.Kill(int(r.PID), unix.SIGKILL) // a process of this test, waiting for this answer
			}
			return Refuse
		})
	}()
	if err := g.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(count) != copies {
		t.Errorf("calls of each process: %v", count)
	}
	for pid, n := range count {
		if want := map[bool]int{true: 10, false: repeat}[dies[pid]]; n != want {
			t.Errorf("process %d: %d calls, want %d", pid, n, want)
		}
	}
}

// TestGuardGone: with the listener closed, refused calls stay refused, and nobody inside can make a new one.
func TestGuardGone(t *testing.T) {
	nr := func(name string) uint32 { return mustCall(t, native(), name) }
	j := job{Program: Contain(Options{}), UID: 33, Calls: []sys{
		{Nr: nr("read"), Pointer: 2, Bytes: []byte{0}, Args: [6]uint64{socketFD, 0, 1}}, // waits until we go on
		{Nr: nr("mount")}, {Nr: nr("setuid")}, {Nr: nr("seccomp"), Args: [6]uint64{1, 8}}}}
	g := guarded(t, j)
	serving := make(chan error)
	go func() { serving <- g.Serve(func(Refused) Answer { return Refuse }) }()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-serving; err != nil {
		t.Error(err)
	}
	unix.Close(g.socket)
	if err := g.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, got := range answers(t, g.out.String())[1:] {
		if got != unix.ENOSYS {
			t.Errorf("call %d: %v", i, got)
		}
	}
}

func TestOnlyListenersAreServed(t *testing.T) {
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewListener(fd); err == nil || !strings.Contains(err.Error(), "/dev/null") {
		t.Errorf("error %v", err)
	}
}
