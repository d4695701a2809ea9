package fork_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"klw/internal/fork"
	"klw/internal/nofile"
	"klw/internal/seccomp"
)

// run starts a shell command by a Child and gives what it writes.
func run(t *testing.T, c fork.Child, command string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if c.Exe == 0 {
		c.Exe = -1
	}
	if c.Files == nil {
		c.Files = []int{int(os.Stdin.Fd()), int(w.Fd()), 2}
	}
	c.Path, c.Args, c.Env = "/bin/sh", []string{"sh", "-c", command}, []string{"PATH=/bin:/usr/bin", "A=b"}
	pid, err := c.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	b := make([]byte, 4096)
	for {
		n, err := r.Read(b)
		out.Write(b[:n])
		if err != nil {
			break
		}
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil || !ws.Exited() || ws.ExitStatus() != 0 {
		t.Errorf("status %#x, %v", ws, err)
	}
	return strings.TrimSpace(out.String())
}

func TestExecute(t *testing.T) {
	for _, session := range []bool{true, false} { // our own fork, and Go's
		got := run(t, fork.Child{User: -1, Session: session}, "echo $A; ulimit -Sn; ulimit -Hn; echo /proc/$$/fd/*")
		if want := fmt.Sprintf("b\n%d\n%d\n", nofile.Cur, nofile.Max); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
}

func TestExecuteDescriptor(t *testing.T) {
	for _, session := range []bool{true, false} {
		executeDescriptor(t, session)
	}
}

func executeDescriptor(t *testing.T, session bool) {
	t.Helper()
	sh, err := os.Open("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	defer sh.Close()
	if got := run(t, fork.Child{User: -1, Exe: int(sh.Fd()), Session: session}, "echo $0"); got != "sh" {
		t.Errorf("got %q", got)
	}
}

// TestDescriptorsCross: descriptors that take each other's numbers all arrive.
func TestDescriptorsCross(t *testing.T) {
	dir := t.TempDir()
	var open []*os.File
	for n := range 6 {
		f, err := os.Create(fmt.Sprint(dir, "/", n))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		open = append(open, f)
	}
	c := fork.Child{User: -1, Exe: -1, Session: true, Path: "/bin/sh", Args: []string{"sh", "-c", "for n in 0 1 2 3 4 5 6 7 8; do echo $n >&$n; done"}, Env: []string{}}
	for n := range 9 {
		c.Files = append(c.Files, int(open[(n*5+3)%6].Fd()))
	}
	pid, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	unix.Wait4(pid, nil, 0, nil)
	for n := range 9 {
		text, err := os.ReadFile(open[(n*5+3)%6].Name())
		if err != nil || !strings.Contains(string(text), fmt.Sprint(n, "\n")) {
			t.Errorf("descriptor %d wrote %q (%v)", n, text, err)
		}
	}
}

func TestErrors(t *testing.T) {
	pipe, _ := os.Open("/dev/null")
	defer pipe.Close()
	deny := seccomp.Program{Filter: []unix.SockFilter{{Code: 0xffff}}}
	for want, c := range map[string]fork.Child{
		"exec /not/there: no such file or directory":              {User: -1, Exe: -1, Session: true, Path: "/not/there", Args: []string{"x"}},
		"entering a namespace: invalid argument":                  {User: -1, Exe: -1, Join: []int{int(pipe.Fd())}, Path: "/bin/true", Args: []string{"x"}},
		"loading a seccomp filter: invalid argument":              {User: -1, Exe: -1, Filters: []seccomp.Program{deny}, Path: "/bin/true", Args: []string{"x"}},
		"arranging descriptors: bad file descriptor":              {User: -1, Exe: -1, Session: true, Files: []int{-1}, Path: "/bin/true", Args: []string{"x"}},
		"making the namespaces: invalid argument":                 {User: -1, Exe: -1, Session: true, Flags: unix.CLONE_THREAD, Path: "/bin/true", Args: []string{"x"}},
		"making the process /not/here: no such file or directory": {User: -1, Exe: -1, Path: "/not/here", Args: []string{"x"}},
		`a zero byte in "a\x00b"`:                                 {User: -1, Exe: -1, Session: true, Path: "/bin/true", Args: []string{"a\x00b"}},
		"making a session: inappropriate ioctl for device":        {User: -1, Exe: -1, Session: true, TTY: true, Files: []int{int(pipe.Fd())}, Path: "/bin/true", Args: []string{"x"}},
		"the maps": {User: -1, Exe: -1, Flags: unix.CLONE_NEWUSER, Maps: func(int) error { return fmt.Errorf("the maps") }, Path: "/bin/true", Args: []string{"x"}},
	} {
		if pid, err := c.Start(); err == nil || err.Error() != want {
			t.Errorf("pid %d, %v, expected %s", pid, err, want)
		}
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

// TestNamespaces enters the namespaces of a process, the user namespace among them, and makes another pid namespace.
func TestNamespaces(t *testing.T) {
	h := exec.Command("/bin/cat")
	in, err := h.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 10}}
	h.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS, UidMappings: ids, GidMappings: ids}
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	defer h.Wait()
	defer in.Close()
	open := func(kind string) int {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/%s", h.Process.Pid, kind), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	link := func(kind string) string {
		l, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", h.Process.Pid, kind))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	c := fork.Child{User: open("user"), Join: []int{open("net"), open("uts")}, Root: true, Flags: unix.CLONE_NEWPID}
	got := run(t, c, "readlink /proc/self/ns/user /proc/self/ns/net /proc/self/ns/uts; id -u; echo $$")
	if want := strings.Join([]string{link("user"), link("net"), link("uts"), "0", "1"}, "\n"); got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
}

// TestCgroups: a process is in its cgroups from the start, whichever fork makes it.
func TestCgroups(t *testing.T) {
	name := fmt.Sprintf("klw-fork-%d", os.Getpid())
	mounts := map[string]string{"0::": "/sys/fs/cgroup/unified", "pids:": "/sys/fs/cgroup/pids", "memory:": "/sys/fs/cgroup/memory"}
	if _, err := os.Stat("/sys/fs/cgroup/unified"); err != nil {
		mounts = map[string]string{"0::": "/sys/fs/cgroup"}
	}
	var v2 *os.File
	var tasks []*os.File
	for key, dir := range mounts {
		dir += "/" + name
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		})
		path, flags := dir+"/tasks", os.O_WRONLY
		if key == "0::" {
			path, flags = dir, os.O_RDONLY
		}
		f, err := os.OpenFile(path, flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if key == "0::" {
			v2 = f
		} else {
			tasks = append(tasks, f)
		}
	}
	for _, c := range []fork.Child{
		{User: -1, Cgroup: v2}, {User: -1, Cgroup: v2, Session: true}, {User: -1, Cgroup: v2, Tasks: tasks},
		{User: -1, Cgroup: v2, Tasks: tasks, Flags: unix.CLONE_NEWPID | unix.CLONE_NEWNS},
	} {
		got := run(t, c, "cat /proc/self/cgroup")
		if n := strings.Count(got, "/"+name); n != 1+len(c.Tasks) {
			t.Errorf("it is in %d of its %d cgroups: %s", n, 1+len(c.Tasks), got)
		}
	}
}

func TestSession(t *testing.T) {
	if got := run(t, fork.Child{User: -1, Session: true}, `read -r pid comm state ppid pgrp sid rest </proc/self/stat; echo $((sid - $$))`); got != "0" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkStart(b *testing.B) {
	ballast := make([]byte, 16<<20) // what klw-runc may have touched
	for i := range ballast {
		ballast[i] = 1
	}
	c := fork.Child{User: -1, Exe: -1, Session: true, Path: "/bin/true", Args: []string{"true"}}
	for b.Loop() {
		pid, err := c.Start()
		if err != nil {
			b.Fatal(err)
		}
		unix.Wait4(pid, nil, 0, nil)
	}
	_ = ballast[len(ballast)-1]
}

// BenchmarkForkExec is Go's own, which shares memory until execve.
func BenchmarkForkExec(b *testing.B) {
	ballast := make([]byte, 16<<20)
	for i := range ballast {
		ballast[i] = 1
	}
	for b.Loop() {
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{})
		if err != nil {
			b.Fatal(err)
		}
		unix.Wait4(pid, nil, 0, nil)
	}
	_ = ballast[len(ballast)-1]
}
