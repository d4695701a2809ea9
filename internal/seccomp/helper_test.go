package seccomp

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// job is what a child process does: load a filter, make calls, tell what each answered. Filters can't be taken out
// again, so each test has a process of its own.
type job struct {
	Program Program
	UID     int // first become this user (all ids but the saved one, which stays 0); -1: stay root
	Calls   []sys
}

// sys is one system call. Nr is the number; strings go into Path.
type sys struct {
	Nr   uintptr
	Args [6]uint64
	Path int // 1+n: argument n is the address of a path that doesn't exist
}

const jobEnv = "KLW_SECCOMP_JOB"

func TestMain(m *testing.M) {
	if text := os.Getenv(jobEnv); text != "" {
		work(text)
	}
	os.Exit(m.Run())
}

func work(text string) {
	runtime.LockOSThread()
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := j.Program.Load(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, c := range j.Calls {
		fmt.Println(int(c.do()))
	}
	os.Exit(0)
}

func (c sys) do() unix.Errno {
	path := append([]byte("/nonexistent/klw"), 0)
	var a [6]uintptr
	for i, v := range c.Args {
		a[i] = uintptr(v)
	}
	if c.Path > 0 {
		a[c.Path-1] = addr(path)
	}
	_, _, errno := unix.RawSyscall6(c.Nr, a[0], a[1], a[2], a[3], a[4], a[5])
	runtime.KeepAlive(path)
	return errno
}

// child runs a job in a process of its own and gives each call's errno.
func child(t *testing.T, j job) []unix.Errno {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), jobEnv+"="+string(text))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	var list []unix.Errno
	for line := range strings.Lines(string(out)) {
		var n int
		if _, err := fmt.Sscan(line, &n); err != nil {
			t.Fatalf("child: %s", out)
		}
		list = append(list, unix.Errno(n))
	}
	return list
}
