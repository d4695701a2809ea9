package netguard

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

// TestMain is also the program that tries things inside a cgroup: see attempts_test.go.
func TestMain(m *testing.M) {
	if name := os.Getenv("KLW_ATTEMPT"); name != "" {
		os.Exit(attempt(name))
	}
	os.Exit(m.Run())
}

// newCgroup makes a v2 cgroup for one test.
func newCgroup(t testing.TB) string {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil || len(mounts) == 0 {
		t.Fatalf("find a cgroup2 mount: %v, %d found", err, len(mounts))
	}
	dir := filepath.Join(mounts[0].Mountpoint, fmt.Sprintf("klw-netguard-test-%d-%d", os.Getpid(), nextCgroup()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := removeCgroup(dir); err != nil {
			t.Errorf("remove the test's cgroup: %v", err)
		}
	})
	return dir
}

// removeCgroup waits a moment for processes that have ended but still count.
func removeCgroup(dir string) (err error) {
	for range 100 {
		unix.Rmdir(filepath.Join(dir, "below")) // of an attempt
		if err = unix.Rmdir(dir); err != unix.EBUSY {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

var (
	cgroupMu sync.Mutex
	cgroups  int
)

func nextCgroup() int {
	cgroupMu.Lock()
	defer cgroupMu.Unlock()
	cgroups++
	return cgroups
}

// inNetns runs f on a thread in a new network namespace with its loopback up. Sockets that f makes stay there.
func inNetns(t testing.TB, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("make a network namespace: %v", err)
			return
		}
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		if err != nil {
			t.Errorf("set the loopback up: %v", err)
			return
		}
		f()
	}()
	<-done
}

// child runs an attempt in a cgroup, in the calling thread's network namespace. If the attempt says a port, knock is
// called with it; files are its descriptors from 3.
func child(t testing.TB, cgroup, name string, args []string, knock func(port string), files ...*os.File) error {
	t.Helper()
	cmd, stop := childCommand(t, cgroup, name, args...)
	defer stop()
	var stderr bytes.Buffer
	cmd.Stderr, cmd.ExtraFiles = &stderr, files
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err == nil && knock != nil {
		knock(strings.TrimSpace(line))
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return nil
}

// refused tells whether an attempt was stopped, and not the test.
func refused(err error) bool {
	return err != nil && strings.Contains(err.Error(), "exit status 3") && !strings.Contains(err.Error(), "test: ")
}

func childCommand(t testing.TB, cgroup, name string, args ...string) (cmd *exec.Cmd, stop func()) {
	t.Helper()
	dir, err := os.Open(cgroup)
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "KLW_ATTEMPT="+name, "GOMAXPROCS=2")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd()), Pdeathsig: syscall.SIGKILL}
	return cmd, func() { dir.Close() }
}

// parse makes a policy of socket rules, one a line; the first stands in line 3.
func parse(t testing.TB, rules string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.policy", []byte("application test\n@general\n"+rules))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// recorder keeps what a module observes.
type recorder struct {
	mu    sync.Mutex
	calls []hooks.Call
	hints []string
	lost  uint64
}

func (r *recorder) observe(c *hooks.Call, _ hooks.Info, v hooks.Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, *c)
	r.hints = append(r.hints, v.Hint)
}

// wait waits until a call is there that f likes.
func (r *recorder) wait(t testing.TB, what string, f func(c hooks.Call, hint string) bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		for i, c := range r.calls {
			if f(c, r.hints[i]) {
				r.mu.Unlock()
				return
			}
		}
		all := fmt.Sprintf("%+v %q", r.calls, r.hints)
		r.mu.Unlock()
		if time.Now().After(deadline) {
			t.Errorf("no event: %s; there are %s", what, all)
			return
		}
	}
}

// load makes and loads a module for a cgroup, until the test ends.
func load(t testing.TB, cgroup string, p *policy.Policy) (*Module, *recorder) {
	t.Helper()
	r := &recorder{}
	m, err := New(Options{Policy: p, Cgroup: cgroup, Observe: r.observe, Lost: func(n uint64) {
		r.mu.Lock()
		r.lost += n
		r.mu.Unlock()
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Load(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Unload(); err != nil {
			t.Errorf("unload: %v", err)
		}
	})
	return m, r
}

// netnsHandle reaches the network namespace of a thread.
func netnsHandle(tid int) (*netlink.Handle, error) {
	ns, err := netns.GetFromPid(tid)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
}
