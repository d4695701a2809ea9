package runtime_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/internal/handshake"
	"klw/internal/layout"
)

// running starts a container that waits.
func running(t *testing.T, change func(*specs.Spec)) *box {
	t.Helper()
	b := newBox(t, "wait")
	if change != nil {
		change(b.spec)
	}
	b.create()
	b.ok("start", b.id)
	return b
}

func TestExec(t *testing.T) {
	b := running(t, nil)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"arguments", []string{b.id, "/app", "show", "args"}, "/app show args\n"},
		{"options of the program", []string{b.id, "/app", "show", "args", "-t", "--user"}, "/app show args -t --user\n"},
		{"user", []string{"--user", "33:34", "-g", "35", b.id, "/app", "show", "ids"}, "33 34 [35]\n"},
		{"working folder", []string{"--cwd", "/tmp", b.id, "/app", "show", "cwd"}, "/tmp\n"},
		{"in PATH", []string{"-e", "PATH=/", b.id, "app", "show", "cwd"}, "/\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := b.klw(append([]string{"exec"}, c.args...)...)
			if r.code != 0 || r.out != c.want {
				t.Errorf("exit code %d, got %q, want %q; %s", r.code, r.out, c.want, r.errOut)
			}
		})
	}
	if out := b.ok("exec", "-e", "A=b", "-e", "C=d,e", b.id, "/app", "show", "env"); !strings.Contains(out, "A=b C=d,e") {
		t.Errorf("environment: %s", out)
	}
}

func TestExecIsInTheContainer(t *testing.T) {
	b := running(t, nil)
	if out := b.ok("exec", b.id, "/app", "show", "pid"); out == "1\n" || len(out) > 4 {
		t.Errorf("pid in the container's pid namespace: %q", out)
	}
	b.ok("exec", "-d", "--pid-file", filepath.Join(b.dir, "pid"), b.id, "/app", "wait")
	pid, err := os.ReadFile(filepath.Join(b.dir, "pid"))
	b.must(err)
	main := strconv.Itoa(b.state().Pid)
	for _, file := range []string{"cgroup", "ns/pid", "ns/mnt", "ns/net", "ns/ipc", "ns/uts", "ns/cgroup"} {
		mine, his := look(b, string(pid), file), look(b, main, file)
		if mine != his {
			t.Errorf("%s: the process has %s, the container %s", file, mine, his)
		}
	}
}

func look(b *box, pid, file string) string {
	b.Helper()
	path := filepath.Join("/proc", pid, file)
	if strings.HasPrefix(file, "ns/") {
		text, err := os.Readlink(path)
		b.must(err)
		return text
	}
	text, err := os.ReadFile(path)
	b.must(err)
	return string(text)
}

func TestExecExitCodes(t *testing.T) {
	b := running(t, nil)
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"/app", "exit", "0"}, 0},
		{[]string{"/app", "exit", "5"}, 5},
		{[]string{"/app", "fail"}, 1},
	} {
		if r := b.klw(append([]string{"exec", b.id}, c.args...)...); r.code != c.code {
			t.Errorf("%v: exit code %d, want %d", c.args, r.code, c.code)
		}
	}
	b.fails(255, "executable file not found in $PATH", "exec", b.id, "nosuch")
	b.fails(255, "no such file or directory", "exec", b.id, "/nosuch")
	b.fails(255, "permission denied", "exec", b.id, "/etc/passwd")
	b.fails(255, "what to run is missing", "exec", b.id)
	b.fails(255, "does not exist", "exec", "nosuch", "/app")
	b.fails(255, "expected UID or UID:GID", "exec", "-u", "www", b.id, "/app")
	b.ok("kill", b.id, "KILL")
	b.eventually("stopped", b.stopped)
	b.fails(255, "stopped container", "exec", b.id, "/app", "exit", "0")
}

func TestExecProcessFile(t *testing.T) {
	b := running(t, nil)
	b.file("process.json", `{"args":["/app","show","cwd","env"],"cwd":"/data","env":["X=y"]}`)
	if out := b.ok("exec", "--process", filepath.Join(b.dir, "process.json"), b.id); !strings.HasPrefix(out, "/data\n") || !strings.Contains(out, "X=y") {
		t.Errorf("got %q", out)
	}
	b.file("process.json", `{"args":[],"cwd":"data"}`)
	r := b.klw("exec", "--process", filepath.Join(b.dir, "process.json"), b.id)
	if r.code != 255 || !strings.Contains(r.errOut, "process.args") || !strings.Contains(r.errOut, "process.cwd") {
		t.Errorf("exit code %d, %s", r.code, r.errOut)
	}
}

func TestPreserveFDs(t *testing.T) {
	b := newBox(t, "fd", "4")
	b.writeSpec()
	b.file("three", "3")
	b.file("four", "the fourth")
	cmd := b.command("run", "--preserve-fds", "2", b.id)
	for _, name := range []string{"three", "four"} {
		f, err := os.Open(filepath.Join(b.dir, name))
		b.must(err)
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	if r := b.finish(cmd); r.code != 0 || r.out != "the fourth" {
		t.Errorf("exit code %d, %q, %s", r.code, r.out, r.errOut)
	}
	b.fails(1, "--preserve-fds 5: descriptor 3", "run", "--preserve-fds", "5", b.id)
}

func TestNoDescriptorOfOursIsInherited(t *testing.T) {
	b := newBox(t, "show", "fds")
	b.writeSpec()
	f, err := os.Open(b.dir)
	b.must(err)
	defer f.Close()
	cmd := b.command("run", b.id)
	cmd.ExtraFiles = []*os.File{f}
	r := b.finish(cmd)
	for line := range strings.Lines(r.out) {
		n, target, _ := strings.Cut(strings.TrimSpace(line), " ")
		if len(n) == 1 && n < "3" || target == "" || strings.HasPrefix(target, "anon_inode") || strings.HasPrefix(target, "/sys/fs/cgroup/cpu") {
			continue // standard ones, and those that Go opens in the test program itself
		}
		t.Errorf("descriptor %s: %s", n, target)
	}
	if r.code != 0 || r.out == "" {
		t.Errorf("exit code %d, %s", r.code, r.errOut)
	}
}

func TestActivationSockets(t *testing.T) {
	b := newBox(t, "show", "env")
	b.writeSpec()
	// sh makes the variable right for the process that it becomes.
	cmd := b.command("run", b.id)
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`}, cmd.Args...)
	cmd.Path = "/bin/sh"
	f, err := os.Open(b.dir)
	b.must(err)
	defer f.Close()
	cmd.ExtraFiles = []*os.File{f}
	if r := b.finish(cmd); !strings.Contains(r.out, "LISTEN_FDS=1 LISTEN_PID=1") {
		t.Errorf("%q %s", r.out, r.errOut)
	}
}

// TestDeleteDuringAStuckExec: a process inside can stop one that enters before it executes; klw-runc then waits, with the
// container's lock. That must not keep a container from being deleted.
func TestDeleteDuringAStuckExec(t *testing.T) {
	b := running(t, nil)
	lock, err := os.OpenFile(layout.Root(b.root).Container(b.id).Lock(), os.O_RDWR, 0)
	b.must(err)
	defer lock.Close()
	b.must(unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	init, err := handshake.FindProcess(b.state().Pid)
	b.must(err)
	pidfd, err := init.Open()
	b.must(err)
	defer pidfd.Close()
	go func() { // the exec ends with the container's processes
		poll := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
		unix.Poll(poll, 60000)
		lock.Close()
	}()
	b.ok("delete", "--force", b.id)
}
