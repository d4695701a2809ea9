package guard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/handshake"
	"klw/internal/layout"
	"klw/internal/seccomp"
	"klw/netguard/link"
)

// The tests start this binary again: as the guard, and as the application in the container.
func TestMain(m *testing.M) {
	switch os.Getenv("KLW_TEST_ROLE") {
	case "guard":
		if !Serve() {
			os.Exit(1)
		}
		os.Exit(0)
	case "application":
		application()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fixture is a host with one container in the making; the test plays klw-runc.
type fixture struct {
	t      *testing.T
	id     string
	root   layout.Root
	bundle string
	cgroup string
	setup  handshake.Setup
	conn   *handshake.Conn
	cmd    *exec.Cmd
	ended  chan error
	app    *app
	extra  []*os.File // inherited by the guard, which shouldn't keep them
}

const policyText = `application test

@general
file /            read execute
file /secret      none
file /data        read write
socket tcp connect 127.0.0.1:1
`

func newFixture(t *testing.T, policy string) *fixture {
	t.Helper()
	f := &fixture{t: t, id: fmt.Sprintf("t%d-%d", os.Getpid(), time.Now().UnixNano()%1e6), root: layout.Root(t.TempDir())}
	f.bundle = t.TempDir()
	rootfs := filepath.Join(f.bundle, "rootfs")
	for name, text := range map[string]string{
		"rootfs/etc/passwd": "root:x:0:0::/:/bin/sh\nwww:x:33:33::/:/bin/sh\n", "rootfs/secret/key": "s3cret",
		"rootfs/open.txt": "hello", "rootfs/data/.keep": "", "klw.policy": policy,
	} {
		name = filepath.Join(f.bundle, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.cgroup = newCgroup(t, "klw/"+f.id)
	if err := os.MkdirAll(string(f.root.Container(f.id)), 0o700); err != nil {
		t.Fatal(err)
	}
	f.setup = handshake.Setup{
		ID: f.id, Root: string(f.root), Bundle: f.bundle, Policy: filepath.Join(f.bundle, "klw.policy"),
		Mounts: []handshake.Mount{{Source: rootfs, Destination: "/"}}, Cgroup: f.cgroup,
	}
	return f
}

// newCgroup makes a v2 cgroup that goes, with what is in it, when the test ends.
func newCgroup(t *testing.T, name string) string {
	t.Helper()
	top := "/sys/fs/cgroup"
	if !isCgroup2(top) {
		top = filepath.Join(top, "unified")
	}
	path := filepath.Join(top, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0)
		for range 100 {
			if err := unix.Rmdir(path); err == nil || err == unix.ENOENT {
				unix.Rmdir(filepath.Dir(path)) // of other tests too, if it is empty
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("cgroup %s is left", path)
	})
	return path
}

// startGuard starts the guard in a cgroup of its own.
func (f *fixture) startGuard() {
	f.t.Helper()
	conn, theirs, err := handshake.Pair()
	if err != nil {
		f.t.Fatal(err)
	}
	log, err := os.OpenFile(f.root.Container(f.id).GuardLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	cgroup, err := os.Open(newCgroup(f.t, "klw-guard/"+f.id))
	if err != nil {
		f.t.Fatal(err)
	}
	defer cgroup.Close()
	f.cmd = exec.Command("/proc/self/exe")
	f.cmd.Env = append(os.Environ(), "KLW_TEST_ROLE=guard")
	f.cmd.Stdout, f.cmd.Stderr = log, log
	f.cmd.ExtraFiles = append([]*os.File{theirs}, f.extra...)
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(cgroup.Fd())}
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	theirs.Close()
	log.Close()
	f.conn = conn
	f.ended = make(chan error, 1)
	go func() { f.ended <- f.cmd.Wait() }()
	f.t.Cleanup(func() {
		conn.Close()
		if err := Cleanup(context.Background(), f.root, f.id); err != nil {
			f.t.Errorf("clean up: %v", err)
		}
		f.cmd.Process.Kill() // one that never wrote its traces
		f.nothingLeft()
		if f.t.Failed() {
			text, _ := os.ReadFile(f.root.Container(f.id).GuardLog())
			f.t.Logf("guard's log:\n%s", text)
		}
	})
}

// ask sends a message and gives the answer.
func (f *fixture) ask(m *handshake.Message) (*handshake.Message, []*os.File) {
	f.t.Helper()
	f.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := f.conn.Send(m); err != nil {
		f.t.Fatal(err)
	}
	a, files, err := f.conn.Recv()
	if err != nil {
		f.t.Fatal(err)
	}
	return a, files
}

// run goes through the whole handshake, with the application as the container's process.
func (f *fixture) run() {
	f.t.Helper()
	f.startGuard()
	a, files := f.ask(&handshake.Message{Setup: &f.setup})
	if a.Views == nil || len(files) != len(f.setup.Mounts) {
		f.t.Fatalf("Setup was answered by %+v and %d files", a, len(files))
	}
	f.app = f.startApplication(files)
	closeFiles(files)
	if a, _ := f.ask(&handshake.Message{Attach: &handshake.Attach{PID: f.app.cmd.Process.Pid, NewNet: true}}); a.Ready == nil {
		f.t.Fatalf("Attach was answered by %+v", a)
	}
	f.conn.Close()
}

// wait waits for the guard's end.
func (f *fixture) wait() error {
	f.t.Helper()
	select {
	case err := <-f.ended:
		f.ended <- err
		return err
	case <-time.After(20 * time.Second):
		f.t.Fatal("the guard doesn't end")
		return nil
	}
}

func (f *fixture) client() *control.Client {
	f.t.Helper()
	c, err := control.Dial(f.t.Context(), f.root.Container(f.id).Control())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

func (f *fixture) events() []audit.Event {
	f.t.Helper()
	var list []audit.Event
	if err := audit.Read(f.root.Events(), f.id, time.Time{}, func(e audit.Event) error { list = append(list, e); return nil }); err != nil {
		f.t.Fatal(err)
	}
	return list
}

// nothingLeft checks what the guard could have left.
func (f *fixture) nothingLeft() {
	f.t.Helper()
	dir := f.root.Container(f.id)
	for _, name := range []string{dir.Guard(), dir.Control(), dir.Seccomp()} {
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			f.t.Errorf("%s is left (%v)", name, err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), f.id) || strings.Contains(string(mounts), f.bundle) {
		f.t.Errorf("a mount is left: %v\n%s", err, mounts)
	}
	table, veth := link.Names(f.id)
	if _, err := net.InterfaceByName(veth); err == nil {
		f.t.Errorf("interface %s is left", veth)
	}
	conn, err := nftables.New()
	if err != nil {
		f.t.Fatal(err)
	}
	tables, err := conn.ListTables()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, t := range tables {
		if t.Name == table {
			f.t.Errorf("table %s is left", t.Name)
		}
	}
}

// app is the application: a process in a mount namespace and a network namespace of its own, in the container's cgroup.
type app struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	dir string
}

func (f *fixture) startApplication(views []*os.File) *app {
	f.t.Helper()
	cgroup, err := os.Open(f.cgroup)
	if err != nil {
		f.t.Fatal(err)
	}
	defer cgroup.Close()
	a := &app{t: f.t, dir: f.t.TempDir(), cmd: exec.Command("/proc/self/exe")}
	a.cmd.Env = append(os.Environ(), "KLW_TEST_ROLE=application", "KLW_TEST_DIR="+a.dir)
	for _, m := range f.setup.Mounts {
		a.cmd.Args = append(a.cmd.Args, m.Destination)
	}
	a.cmd.ExtraFiles = views
	a.cmd.Stderr = os.Stderr
	a.cmd.SysProcAttr = &syscall.SysProcAttr{
		UseCgroupFD: true, CgroupFD: int(cgroup.Fd()), Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET,
	}
	a.in, _ = a.cmd.StdinPipe()
	out, _ := a.cmd.StdoutPipe()
	a.out = bufio.NewReader(out)
	if err := a.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { a.in.Close(); a.cmd.Process.Kill(); a.cmd.Wait() })
	if got := a.readLine(); got != "mounted" {
		f.t.Fatalf("application: %s", got)
	}
	return a
}

func (a *app) readLine() string {
	line, err := a.out.ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

// do has the application do something and gives the errno's name or what was read.
func (a *app) do(command string, args ...string) string {
	a.t.Helper()
	fmt.Fprintln(a.in, command, strings.Join(args, " "))
	return a.readLine()
}

func (a *app) end() { a.in.Close(); a.cmd.Wait() }

// application is the process itself. Paths are below the folder that stands for its root.
func application() {
	runtime.LockOSThread()
	dir := os.Getenv("KLW_TEST_DIR")
	unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	for i, at := range os.Args[1:] {
		if err := unix.MoveMount(3+i, "", unix.AT_FDCWD, filepath.Join(dir, at), unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			fmt.Println("move_mount:", err)
			return
		}
		unix.Close(3 + i)
	}
	fmt.Println("mounted")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		fmt.Println(perform(dir, words[0], words[1:]))
	}
}

func perform(dir, command string, args []string) string {
	var err error
	switch command {
	case "read":
		text, err := os.ReadFile(filepath.Join(dir, args[0]))
		if err == nil {
			return string(text)
		}
		return errnoOf(err)
	case "write":
		err = os.WriteFile(filepath.Join(dir, args[0]), []byte(args[1]), 0o644)
	case "mkdir":
		err = os.Mkdir(filepath.Join(dir, args[0]), 0o755)
	case "connect":
		var conn net.Conn
		if conn, err = net.Dial("tcp", args[0]); err == nil {
			conn.Close()
		}
	case "confine":
		err = confine(args[0])
	case "setuid": // of this thread
		id, _ := strconv.Atoi(args[0])
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(id), ^uintptr(0)); errno != 0 {
			err = errno
		}
	case "mount":
		err = unix.Mount("none", dir, "tmpfs", 0, "")
	}
	return errnoOf(err)
}

// confine does what klw-init does last.
func confine(socket string) error {
	unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	listener, err := seccomp.Contain(seccomp.Options{Seal: true}).LoadListener()
	if err != nil {
		return err
	}
	defer listener.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		return err
	}
	return seccomp.Hand(fd, listener)
}

func errnoOf(err error) string {
	var errno syscall.Errno
	if err == nil {
		return "ok"
	}
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// retry waits until check gives no error.
func retry(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
