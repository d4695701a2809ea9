// Package guardtest is for tests: a host with one container whose guard is real and whose application does what the
// test says. The test plays klw-runc.
package guardtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/guard"
	"klw/internal/handshake"
	"klw/internal/layout"
	"klw/internal/policy"
	"klw/netguard/link"
)

// Main is what TestMain calls: tests start their own binary again, as the guard, and as the application.
// Extra modules are the guard's.
func Main(m *testing.M, extra ...hooks.Module) int {
	switch os.Getenv("KLW_TEST_ROLE") {
	case "guard":
		if !guard.Serve(extra...) {
			os.Exit(1)
		}
		os.Exit(0)
	case "application":
		application()
		os.Exit(0)
	}
	return m.Run()
}

// Container is a container in the making, or running.
type Container struct {
	ID     string
	Root   layout.Root
	Bundle string
	Cgroup string
	Setup  handshake.Setup
	Conn   *handshake.Conn
	Cmd    *exec.Cmd // the guard
	App    *App
	Extra  []*os.File // inherited by the guard, which shouldn't keep them

	t     testing.TB
	ended chan error
}

// Policy is a policy for the root file system that New makes: /etc/passwd, /open.txt, /secret/key and /data.
const Policy = `application test

@general
file /            read execute
file /secret      none
file /data        read write
socket tcp connect 127.0.0.1:1
`

// New makes what a container needs before its guard starts. The test's end cleans up.
func New(t testing.TB, text string) *Container {
	t.Helper()
	f := &Container{t: t, ID: fmt.Sprintf("t%d_%d", os.Getpid(), time.Now().UnixNano()%1e6), Root: layout.Root(t.TempDir())}
	f.Bundle = t.TempDir()
	rootfs := filepath.Join(f.Bundle, "rootfs")
	for name, text := range map[string]string{
		"rootfs/etc/passwd": "root:x:0:0::/:/bin/sh\nwww:x:33:33::/:/bin/sh\n", "rootfs/secret/key": "s3cret",
		"rootfs/open.txt": "hello", "rootfs/data/.keep": "", "klw.policy": text,
	} {
		name = filepath.Join(f.Bundle, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.Cgroup = newCgroup(t, "klw/"+f.ID)
	dir := f.Root.Container(f.ID)
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	kept, err := f.Texts(text).Encode()
	if err == nil {
		err = os.WriteFile(dir.Policy(), kept, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Setup = handshake.Setup{
		ID: f.ID, Root: string(f.Root), Bundle: f.Bundle, Policy: filepath.Join(f.Bundle, "klw.policy"),
		Mounts: []handshake.Mount{{Source: rootfs, Destination: "/"}}, Cgroup: f.Cgroup,
	}
	return f
}

// Texts are those of a policy in the bundle that includes nothing.
func (f *Container) Texts(text string) policy.Texts {
	return policy.Texts{File: filepath.Join(f.Bundle, "klw.policy"), Text: text}
}

// newCgroup makes a v2 cgroup that goes, with what is in it, when the test ends.
func newCgroup(t testing.TB, name string) string {
	t.Helper()
	top := "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(top, "cgroup.procs")); err != nil {
		top = filepath.Join(top, "unified")
	}
	path := filepath.Join(top, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0)
		for range 100 {
			if err := unix.Rmdir(path); err == nil || err == unix.ENOENT {
				_ = unix.Rmdir(filepath.Dir(path)) // of other tests too, if it is empty
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("cgroup %s is left", path)
	})
	return path
}

// StartGuard starts the guard in a cgroup of its own.
func (f *Container) StartGuard() {
	f.t.Helper()
	conn, theirs, err := handshake.Pair()
	if err != nil {
		f.t.Fatal(err)
	}
	log, err := os.OpenFile(f.Root.Container(f.ID).GuardLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	cgroup, err := os.Open(newCgroup(f.t, "klw-guard/"+f.ID))
	if err != nil {
		f.t.Fatal(err)
	}
	defer cgroup.Close()
	f.Cmd = exec.Command("/proc/self/exe")
	f.Cmd.Env = append(os.Environ(), "KLW_TEST_ROLE=guard")
	f.Cmd.Stdout, f.Cmd.Stderr = log, log
	f.Cmd.ExtraFiles = append([]*os.File{theirs}, f.Extra...)
	f.Cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(cgroup.Fd())}
	if err := f.Cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	theirs.Close()
	log.Close()
	f.Conn = conn
	f.ended = make(chan error, 1)
	go func() { f.ended <- f.Cmd.Wait() }()
	f.t.Cleanup(func() {
		conn.Close()
		if err := guard.Cleanup(context.Background(), f.Root, f.ID); err != nil {
			f.t.Errorf("clean up: %v", err)
		}
		f.Cmd.Process.Kill() // one that never wrote its traces
		f.NothingLeft()
		if f.t.Failed() {
			text, _ := os.ReadFile(f.Root.Container(f.ID).GuardLog())
			f.t.Logf("guard's log:\n%s", text)
		}
	})
}

// Ask sends a message and gives the answer.
func (f *Container) Ask(m *handshake.Message) (*handshake.Message, []*os.File) {
	f.t.Helper()
	f.Conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := f.Conn.Send(m); err != nil {
		f.t.Fatal(err)
	}
	a, files, err := f.Conn.Recv()
	if err != nil {
		f.t.Fatal(err)
	}
	return a, files
}

// Run goes through the whole handshake, with the application as the container's process.
func (f *Container) Run() {
	f.t.Helper()
	f.StartGuard()
	a, files := f.Ask(&handshake.Message{Setup: &f.Setup})
	if a.Views == nil || len(files) != len(f.Setup.Mounts) {
		f.t.Fatalf("Setup was answered by %+v and %d files", a, len(files))
	}
	f.App = f.StartApplication(files)
	CloseFiles(files)
	if a, _ := f.Ask(&handshake.Message{Attach: &handshake.Attach{PID: f.App.Cmd.Process.Pid, NewNet: true}}); a.Ready == nil {
		f.t.Fatalf("Attach was answered by %+v", a)
	}
	f.Conn.Close()
}

// Wait waits for the guard's end.
func (f *Container) Wait() error {
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

// Client connects to the control socket.
func (f *Container) Client() *control.Client {
	f.t.Helper()
	c, err := control.Dial(f.t.Context(), f.Root.Container(f.ID).Control())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

// Events gives what the log holds.
func (f *Container) Events() []audit.Event {
	f.t.Helper()
	var list []audit.Event
	if err := audit.Read(f.Root.Events(), f.ID, time.Time{}, func(e audit.Event) error { list = append(list, e); return nil }); err != nil {
		f.t.Fatal(err)
	}
	return list
}

// NothingLeft checks what the guard could have left.
func (f *Container) NothingLeft() {
	f.t.Helper()
	dir := f.Root.Container(f.ID)
	for _, name := range []string{dir.Guard(), dir.Control(), dir.Seccomp()} {
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			f.t.Errorf("%s is left (%v)", name, err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), f.ID) || strings.Contains(string(mounts), f.Bundle) {
		f.t.Errorf("a mount is left: %v\n%s", err, mounts)
	}
	table, veth := link.Names(f.ID)
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

// Retry waits until check gives no error.
func Retry(t testing.TB, check func() error) {
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

// CloseFiles closes what came with a message.
func CloseFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
