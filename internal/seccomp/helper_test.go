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
	UID     uint32 // become this user first, keeping a saved user id of 0
	Calls   []sys
	Repeat  int  // make the calls that often
	Silent  bool // don't tell the answers
	Copies  int  // make them in that many child processes at once
}

// sys is one system call; Bytes are what the argument Pointer-1 points to (Pointer 0: none does).
type sys struct {
	Nr      uint32
	Args    [6]uint64
	Pointer int
	Bytes   []byte
	Int80   bool // through 32-bit x86's gate
}

const jobEnv = "KLW_SECCOMP_JOB"

// socketFD is the socket on which a child sends its listener.
const socketFD = 3

func TestMain(m *testing.M) {
	if text := os.Getenv(jobEnv); text != "" {
		runtime.LockOSThread()
		if err := work(text); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func work(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	if j.UID != 0 {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(j.UID), uintptr(j.UID), 0); errno != 0 {
			return errno
		}
	}
	if err := load(j.Program); err != nil {
		return err
	}
	if j.Copies > 0 {
		return copies(j)
	}
	for range max(j.Repeat, 1) {
		for _, c := range j.Calls {
			if n := c.do(); !j.Silent {
				fmt.Println(int(n))
			}
		}
	}
	return nil
}

// copies has child processes do the job, under the filter of this one.
func copies(j job) error {
	n := j.Copies
	j.Program, j.UID, j.Copies = Program{}, 0, 0
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	var list []*exec.Cmd
	for range n {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), jobEnv+"="+string(text))
		if err := cmd.Start(); err != nil {
			return err
		}
		list = append(list, cmd)
	}
	for _, cmd := range list {
		cmd.Wait() // it may have been killed
	}
	return nil
}

func load(p Program) error {
	if !p.Listens() {
		return p.Load()
	}
	l, err := p.LoadListener()
	if err != nil {
		return err
	}
	defer l.Close()
	return Hand(socketFD, l)
}

func (c sys) do() unix.Errno {
	if c.Int80 {
		return int80(c.Nr)
	}
	var a [6]uintptr
	for i, v := range c.Args {
		a[i] = uintptr(v)
	}
	if c.Pointer > 0 {
		a[c.Pointer-1] = addr(c.Bytes)
	}
	_, _, errno := unix.RawSyscall6(uintptr(c.Nr), a[0], a[1], a[2], a[3], a[4], a[5])
	runtime.KeepAlive(c.Bytes)
	return errno
}

// start starts a job in a process of its own.
func start(t testing.TB, j job, socket *os.File) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), jobEnv+"="+string(text))
	cmd.Stdout, cmd.Stderr = &out, &out
	if socket != nil {
		cmd.ExtraFiles = []*os.File{socket}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &out
}

// answers reads what a job printed.
func answers(t testing.TB, out string) []unix.Errno {
	t.Helper()
	var list []unix.Errno
	for line := range strings.Lines(out) {
		var n int
		if _, err := fmt.Sscan(line, &n); err != nil {
			t.Fatalf("child: %s", out)
		}
		list = append(list, unix.Errno(n))
	}
	return list
}

// child runs a job whose filter has no listener.
func child(t testing.TB, j job) []unix.Errno {
	t.Helper()
	cmd, out := start(t, j, nil)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	return answers(t, out.String())
}

// jail is a job under a filter with a listener.
type jail struct {
	*Listener
	cmd    *exec.Cmd
	out    *strings.Builder
	socket int // our end of the child's socket
}

// guarded starts a job whose filter has a listener, and takes that.
func guarded(t testing.TB, j job) jail {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	cmd, out := start(t, j, theirs)
	theirs.Close()
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair[0], make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		cmd.Wait()
		t.Fatalf("no listener came: %v, %s", err, out)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewListener(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	return jail{l, cmd, out, pair[0]}
}

// served runs a job under Contain's filter, refuses all that is asked, and gives its answers and what the listener told.
func served(t testing.TB, j job) ([]unix.Errno, []Refused, int) {
	t.Helper()
	return servedBy(t, j, func(Refused) Answer { return Refuse })
}

// servedBy is served with a decision for each call.
func servedBy(t testing.TB, j job, decide func(Refused) Answer) ([]unix.Errno, []Refused, int) {
	t.Helper()
	g := guarded(t, j)
	defer g.Close()
	defer unix.Close(g.socket)
	var told []Refused
	done := make(chan error)
	go func() {
		done <- g.Serve(func(r Refused) Answer {
			told = append(told, r)
			return decide(r)
		})
	}()
	if err := g.cmd.Wait(); err != nil {
		t.Fatalf("child: %v\n%s", err, g.out)
	}
	if err := <-done; err != nil { // ends by itself with the last task
		t.Fatal(err)
	}
	return answers(t, g.out.String()), told, g.cmd.Process.Pid
}
