package seal

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/seccomp"
)

const socketEnv = "KLW_SEAL_SOCKET"

// TestMain is also the contained process: it does what klw-init does and then makes refused calls.
func TestMain(m *testing.M) {
	if path := os.Getenv(socketEnv); path != "" {
		runtime.LockOSThread()
		if err := contained(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func contained(path string) error {
	if err := enter(path); err != nil {
		return err
	}
	calls := []struct {
		nr, a, b, c uintptr
		want        unix.Errno
	}{
		{unix.SYS_MOUNT, 0, 0, 0, unix.EPERM},
		{unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM, 0, unix.EAFNOSUPPORT},
		{unix.SYS_SETUID, 34, 0, 0, unix.EPERM},
		{unix.SYS_SETUID, 0, 0, 0, 0},
		{unix.SYS_SETRESUID, 33, 33, 33, 0},
		{unix.SYS_SETUID, 0, 0, 0, unix.EPERM},
	}
	for _, c := range calls {
		if _, _, errno := unix.RawSyscall(c.nr, c.a, c.b, c.c); errno != c.want {
			return fmt.Errorf("call %d: %v, want %v", c.nr, errno, c.want)
		}
	}
	return nil
}

// enter puts the process under the filter, as klw-init does before it executes the application.
func enter(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))}); err != nil {
		return err
	}
	l, err := seccomp.Contain(seccomp.Options{}).LoadListener()
	if err != nil {
		return err
	}
	defer l.Close()
	return seccomp.Hand(fd, l)
}

// users are the test's: sealed, and with a circle of user 34.
func users() Users { return Users{Seal: "klw.policy:7", Owners: map[uint32]string{34: "klw.policy:9"}} }

// observed is what an observer was told.
type observed struct {
	call    hooks.Call
	info    hooks.Info
	verdict hooks.Verdict
}

// observer keeps what it is told.
type observer struct {
	mu   sync.Mutex
	list []observed
}

func (o *observer) observe(c *hooks.Call, i hooks.Info, v hooks.Verdict) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, observed{*c, i, v})
}

// of gives what was told about a process.
func (o *observer) of(pid int) []observed {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []observed
	for _, e := range o.list {
		if e.call.Caller.PID == uint32(pid) {
			list = append(list, e)
		}
	}
	return list
}

func startContained(t *testing.T, socket string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), socketEnv+"="+socket)
	cmd.Stdout, cmd.Stderr = &strings.Builder{}, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func wait(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, cmd.Stdout)
	}
}

// TestEvents has two processes under filters of their own, in a folder whose path is longer than a socket address.
func TestEvents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "seccomp.sock")
	var o observer
	m := New(Options{Socket: socket, Users: users, Observe: o.observe, Failed: func(err error) { t.Error(err) }})
	master := hooks.NewMaster(nil)
	if _, err := master.Register(m); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(socket); err != nil || fi.Mode() != os.ModeSocket|0o600 {
		t.Errorf("socket: %v, %v", fi.Mode(), err)
	}
	first, second := startContained(t, socket), startContained(t, socket)
	wait(t, first)
	wait(t, second)
	for _, cmd := range []*exec.Cmd{first, second} {
		checkEvents(t, o.of(cmd.Process.Pid), uint32(cmd.Process.Pid))
	}
	if err := master.Unload("seal"); err == nil {
		t.Error("unloaded by request")
	}
	if err := master.Unregister("seal"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func checkEvents(t *testing.T, got []observed, pid uint32) {
	t.Helper()
	want := []struct {
		op    hooks.Operation
		uid   uint32
		text  string
		errno unix.Errno
		rule  string
	}{
		{hooks.OpSyscall, 0, "mount(...)", unix.EPERM, hooks.NoRule},
		{hooks.OpSocket, 0, "socket(AF_VSOCK, SOCK_STREAM, 0)", unix.EAFNOSUPPORT, hooks.NoRule},
		{hooks.OpSetuid, 0, "setuid(34)", unix.EPERM, "klw.policy:9"},
		{hooks.OpSetuid, 33, "setuid(0)", unix.EPERM, "klw.policy:7"},
	}
	if len(got) != len(want) {
		t.Fatalf("told %v", got)
	}
	for i, w := range want {
		g := got[i]
		if g.call.Op != w.op || g.call.Caller.UID != w.uid || g.call.Caller.PID != pid || g.call.Text != w.text ||
			g.verdict.Errno != w.errno || g.verdict.Rule != w.rule || g.verdict.Hint == "" || g.info.Name != "seal" {
			t.Errorf("told %+v %+v, want %+v", g.call, g.verdict, w)
		}
	}
	if s := got[1].call.Socket; s == nil || *s != (hooks.Socket{Family: unix.AF_VSOCK, Type: unix.SOCK_STREAM}) {
		t.Errorf("socket %+v", s)
	}
}

// TestStrangers: what isn't a listener, and who isn't root, is sent away, and the module goes on.
func TestStrangers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "seccomp.sock")
	failed := make(chan error, 10)
	var o observer
	m := New(Options{Socket: socket, Observe: o.observe, Users: users, Failed: func(err error) { failed <- err }})
	if err := m.Load(); err != nil {
		t.Fatal(err)
	}
	defer m.Unload()
	if err := m.Load(); err == nil {
		t.Error("loaded twice")
	}
	for _, c := range []struct{ what, send, want string }{
		{"nothing", "", "EOF"},
		{"no descriptor", "x", "got 1 bytes and 0 descriptors"},
		{"a file", "f", "no seccomp listener"},
		{"two files", "ff", "2 descriptors"},
	} {
		send(t, socket, c.send)
		if err := next(t, failed); !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.what, err, c.want)
		}
	}
	asUser(t, socket)
	if err := next(t, failed); !strings.Contains(err.Error(), "user 33 may not") {
		t.Errorf("another user: %v", err)
	}
	cmd := startContained(t, socket)
	wait(t, cmd)
	if n := len(o.of(cmd.Process.Pid)); n != 4 {
		t.Errorf("told %d, want 4", n)
	}
}

func next(t *testing.T, failed chan error) error {
	t.Helper()
	select {
	case err := <-failed:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("nothing failed")
		return nil
	}
}

// send connects and sends a byte, with a descriptor for each f.
func send(t *testing.T, socket, what string) {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var fds []int
	for range strings.Count(what, "f") {
		fds = append(fds, int(null.Fd()))
	}
	switch {
	case what == "":
	case fds == nil:
		_, err = conn.Write([]byte(what))
	default:
		_, _, err = conn.WriteMsgUnix([]byte{0}, unix.UnixRights(fds...), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// asUser connects as www-data, on a thread of its own that ends with it. The modes would keep it out: they are opened.
func asUser(t *testing.T, socket string) {
	t.Helper()
	for _, p := range []string{socket, filepath.Dir(socket), filepath.Dir(filepath.Dir(socket))} {
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(fd)
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 33, 33, 33); errno != 0 {
				err = errno
			} else {
				err = unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
			}
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestUnloadWhileServed: Unload returns though tasks under a filter still live, and what they are refused stays so.
func TestUnloadWhileServed(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "seccomp.sock")
	inside := make(chan bool)
	m := New(Options{Socket: socket, Users: users, Observe: func(*hooks.Call, hooks.Info, hooks.Verdict) { inside <- true; <-inside }})
	if err := m.Load(); err != nil {
		t.Fatal(err)
	}
	idle, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"}) // sends nothing
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	cmd := startContained(t, socket)
	<-inside
	done := make(chan error)
	go func() { done <- m.Unload() }()
	time.Sleep(20 * time.Millisecond) // it waits for the call inside
	select {
	case <-done:
		t.Error("Unload returned while a call was inside")
	default:
	}
	inside <- true
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(fmt.Sprint(cmd.Stdout), "function not implemented") {
		t.Errorf("%v: %s; want a refusal with ENOSYS", err, cmd.Stdout)
	}
}
