package launch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/runtime/launch"
)

// create brings a container to its fifo.
func (b *box) create() (*launch.Init, string) {
	b.t.Helper()
	fifo := filepath.Join(b.dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		b.t.Fatal(err)
	}
	fd, err := unix.Open(fifo, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	b.opt.ExecFifo = os.NewFile(uintptr(fd), fifo)
	defer b.opt.ExecFifo.Close()
	b.config.Fifo = true
	i, err := b.start()
	if err != nil {
		b.t.Fatal(err)
	}
	return i, fifo
}

func TestFifo(t *testing.T) {
	for _, proc := range []bool{true, false} {
		b := newBox(t, "ids")
		b.spec.Process.User = specs.User{UID: 5, GID: 5}
		if !proc {
			b.spec.Mounts = b.spec.Mounts[1:]
		}
		out, err := os.Create(filepath.Join(b.dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		b.opt.Stdout = out
		i, fifo := b.create()
		if text, _ := os.ReadFile(out.Name()); len(text) > 0 {
			t.Errorf("it ran before the fifo was opened: %q", text)
		}
		said, err := os.ReadFile(fifo)
		if err != nil || string(said) != "0" {
			t.Errorf("the fifo said %q, %v", said, err)
		}
		if code, err := i.Wait(); err != nil || code != 0 {
			t.Errorf("exit %d, %v", code, err)
		}
		if text, _ := os.ReadFile(out.Name()); string(text) != "5 5 []\n" {
			t.Errorf("it said %q", text)
		}
		i.Close()
	}
}

func TestFifoError(t *testing.T) {
	b := newBox(t)
	b.file("rootfs/broken", "no program")
	if err := os.Chmod(b.root("broken"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.spec.Process.Args = []string{"broken"}
	i, fifo := b.create()
	said, err := os.ReadFile(fifo)
	if err != nil || len(said) < 1 || said[0] != '0' {
		t.Fatalf("the fifo said %q, %v", said, err)
	}
	var e launch.Error
	if err := json.Unmarshal(said[1:], &e); err != nil || e.Errno != unix.ENOEXEC {
		t.Errorf("the fifo said %q (%v), expected ENOEXEC", said, err)
	}
	if code, _ := i.Wait(); code != 1 {
		t.Errorf("exit %d, expected 1", code)
	}
	i.Close()
}

func TestHooks(t *testing.T) {
	b := newBox(t, "cat:/state")
	b.spec.Annotations = map[string]string{"a": "b"}
	log := filepath.Join(b.dir, "hook.log")
	b.spec.Hooks = &specs.Hooks{
		CreateContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "cat >" + log + "; readlink /proc/self/ns/mnt >>" + log}}},
		StartContainer:  []specs.Hook{{Path: "/probe", Args: []string{"/probe", "stdin:/state"}}},
	}
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	var created, started specs.State
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&created); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if err := json.Unmarshal([]byte(got[0]), &started); err != nil {
		t.Fatalf("%v in %q", err, got)
	}
	for _, s := range []struct {
		specs.State
		status specs.ContainerState
	}{{created, specs.StateCreating}, {started, specs.StateCreated}} {
		if s.ID != "box" || s.State.Status != s.status || s.Bundle != b.dir || s.Annotations["a"] != "b" || s.Pid == 0 {
			t.Errorf("state %+v, expected status %s", s.State, s.status)
		}
	}
	ours, _ := os.Readlink("/proc/self/ns/mnt")
	if !strings.Contains(string(text), "mnt:[") || strings.Contains(string(text), ours) {
		t.Errorf("the createContainer hook ran in our mount namespace: %s", text)
	}
}

func TestHookFails(t *testing.T) {
	timeout := 1
	for want, h := range map[string]specs.Hook{
		"createContainer hook 0 (/bin/sh): exit status 3: bad luck": {Path: "/bin/sh", Args: []string{"sh", "-c", "echo bad luck; exit 3"}},
		"createContainer hook 0 (/bin/sleep): not done after 1 s":   {Path: "/bin/sleep", Args: []string{"sleep", "60"}, Timeout: &timeout},
	} {
		b := newBox(t, "pid")
		b.spec.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{h}}
		if _, err := b.run(); err == nil || err.Error() != want {
			t.Errorf("%v, expected %s", err, want)
		}
	}
}

// console makes the pair of sockets over which a terminal arrives.
func console(t *testing.T) (give, take *os.File) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	give, take = os.NewFile(uintptr(p[0]), "give"), os.NewFile(uintptr(p[1]), "take")
	t.Cleanup(func() { give.Close(); take.Close() })
	return give, take
}

func receive(t *testing.T, sock *os.File) *os.File {
	t.Helper()
	name, oob := make([]byte, 100), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(int(sock.Fd()), name, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d control messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), string(name[:n]))
}

func TestTerminal(t *testing.T) {
	b := newBox(t, "isatty", "stat:/dev/console", "ids", "stat:/proc/self/fd/0")
	b.spec.Process.Terminal = true
	b.spec.Process.ConsoleSize = &specs.Box{Height: 33, Width: 44}
	b.spec.Process.User = specs.User{UID: 5, GID: 5}
	var take *os.File
	b.opt.ConsoleSocket, take = console(t)
	i, err := b.start()
	if err != nil {
		t.Fatal(err)
	}
	text := readTerminal(t, receive(t, take))
	if code, err := i.Wait(); err != nil || code != 0 {
		t.Errorf("exit %d, %v", code, err)
	}
	if want := "33 44\r\n20620 136:0 5 5\r\n5 5 []\r\n"; !strings.HasPrefix(text, want) {
		t.Errorf("the terminal says %q, expected %q", text, want)
	}

	i = b.stayOn(t)
	e := b.inside(i, "isatty", "status:NSsid", "pid")
	e.spec.Process.Terminal = true
	e.opt.ConsoleSocket, take = console(t)
	if i, err = e.start(); err != nil {
		t.Fatal(err)
	}
	text = readTerminal(t, receive(t, take))
	f := strings.Split(text, "\r\n")
	if len(f) != 4 || f[0] != "0 0" || f[1] != f[2] {
		t.Errorf("the terminal of an exec says %q, expected size 0 0 and a session of its own", text)
	}
	if code, err := i.Wait(); err != nil || code != 0 {
		t.Errorf("exit %d, %v", code, err)
	}
}

func (b *box) stayOn(t *testing.T) *launch.Init {
	b.spec.Process.Terminal = false
	b.opt.ConsoleSocket = nil
	return b.stay()
}

func readTerminal(t *testing.T, master *os.File) string {
	t.Helper()
	defer master.Close()
	var out bytes.Buffer
	io.Copy(&out, master) // ends with EIO when the last process has closed the other end
	return out.String()
}

// TestBinaryStaysClean: who gets hold of the file that klw-init runs from can't write to it (CVE-2019-5736).
func TestBinaryStaysClean(t *testing.T) {
	b := newBox(t, "pid")
	i, err := launch.Start(b.opt)
	if err != nil {
		t.Fatal(err)
	}
	exe := fmt.Sprintf("/proc/%d/exe", i.PID())
	fd, err := unix.Open(exe, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := i.Kill(); err != nil {
		t.Fatal(err)
	}
	// Nobody executes it any more, so that "text file busy" is not the reason.
	for name, flags := range map[string]int{"write": unix.O_WRONLY, "read and write": unix.O_RDWR} {
		if w, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), flags, 0); err != unix.EROFS {
			t.Errorf("opening klw-init's file to %s: %d, %v; expected %v", name, w, err, unix.EROFS)
		}
	}
}

func TestStartErrors(t *testing.T) {
	b := newBox(t, "pid")
	b.opt.Binary = "/not/there"
	if _, err := b.run(); err == nil || !strings.Contains(err.Error(), "/not/there") {
		t.Errorf("no binary: %v", err)
	}
	b = newBox(t, "pid")
	b.spec.Root.Path = "/not/there"
	if _, err := b.run(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no root: %v", err)
	}
	b = newBox(t, "pid")
	b.opt.Binary = "/bin/true"
	if _, err := b.run(); err == nil || !strings.Contains(err.Error(), "klw-init ended (exit status 0)") {
		t.Errorf("another program: %v", err)
	}
}

func TestPreservedDescriptors(t *testing.T) {
	b := newBox(t, "fds", "readlink:/proc/self/fd/3", "readlink:/proc/self/fd/4")
	b.opt.PreserveFDs = 2
	var want []string
	for _, fd := range []string{"3", "4"} {
		to, err := os.Readlink("/proc/self/fd/" + fd)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, to)
	}
	b.expect("0 1 2 3 4", want[0], want[1])
	e := b.inside(newBox(t).stay(), "fds", "readlink:/proc/self/fd/3", "readlink:/proc/self/fd/4")
	e.opt.PreserveFDs = 2
	e.expect("0 1 2 3 4", want[0], want[1])
}

// TestExecInCreated enters a container whose application doesn't run yet.
func TestExecInCreated(t *testing.T) {
	b := newBox(t, "ids")
	b.spec.Process.User = specs.User{UID: 5, GID: 5}
	i, fifo := b.create()
	b.inside(i, "hostname", "ls:/", "cat:/proc/1/comm").expect("box", "dev etc probe proc sys tmp", "klw-init")
	if said, err := os.ReadFile(fifo); err != nil || string(said) != "0" {
		t.Errorf("the fifo said %q, %v", said, err)
	}
	if code, err := i.Wait(); err != nil || code != 0 {
		t.Errorf("exit %d, %v", code, err)
	}
	i.Close()
}

// TestCreatedUnderGuard: the guard gets its listener when the container is started.
func TestCreatedUnderGuard(t *testing.T) {
	b := newBox(t, "unshare")
	refused := guarded(t, b)
	i, fifo := b.create()
	if said, err := os.ReadFile(fifo); err != nil || string(said) != "0" {
		t.Errorf("the fifo said %q, %v", said, err)
	}
	if list := refused(); len(list) != 1 {
		t.Errorf("the guard heard of %v, expected the unshare", list)
	}
	if code, err := i.Wait(); err != nil || code != 0 {
		t.Errorf("exit %d, %v", code, err)
	}
	i.Close()
}

// TestAbandoned: klw-init doesn't outlive a klw-runc that was killed on the way.
func TestAbandoned(t *testing.T) {
	for steps := range 3 {
		b := newBox(t, "pid")
		i, err := launch.Start(b.opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []func() error{i.Go, i.Mounted}[:steps] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		i.Close()
		if code, err := i.Wait(); err != nil || code != 1 {
			t.Errorf("after %d steps: exit %d, %v", steps, code, err)
		}
	}
}
