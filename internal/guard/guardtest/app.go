package guardtest

import (
	"bufio"
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

	"golang.org/x/sys/unix"

	"klw/internal/seccomp"
)

// App is the application: a process in a mount namespace and a network namespace of its own, in the container's cgroup.
type App struct {
	t   testing.TB
	Cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	dir string
}

// StartApplication starts it with views as its mounts.
func (f *Container) StartApplication(views []*os.File) *App {
	f.t.Helper()
	cgroup, err := os.Open(f.Cgroup)
	if err != nil {
		f.t.Fatal(err)
	}
	defer cgroup.Close()
	a := &App{t: f.t, dir: f.t.TempDir(), Cmd: exec.Command("/proc/self/exe")}
	a.Cmd.Env = append(os.Environ(), "KLW_TEST_ROLE=application", "KLW_TEST_DIR="+a.dir)
	for _, m := range f.Setup.Mounts {
		a.Cmd.Args = append(a.Cmd.Args, m.Destination)
	}
	a.Cmd.ExtraFiles = views
	a.Cmd.Stderr = os.Stderr
	a.Cmd.SysProcAttr = &syscall.SysProcAttr{
		UseCgroupFD: true, CgroupFD: int(cgroup.Fd()), Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET,
	}
	a.in, _ = a.Cmd.StdinPipe()
	out, _ := a.Cmd.StdoutPipe()
	a.out = bufio.NewReader(out)
	if err := a.Cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { a.in.Close(); a.Cmd.Process.Kill(); _ = a.Cmd.Wait() })
	if got := a.readLine(); got != "mounted" {
		f.t.Fatalf("application: %s", got)
	}
	return a
}

func (a *App) readLine() string {
	line, err := a.out.ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

// Do has the application do something and gives the errno's name or what was read.
func (a *App) Do(command string, args ...string) string {
	a.t.Helper()
	fmt.Fprintln(a.in, command, strings.Join(args, " "))
	return a.readLine()
}

// Inside gives the path by which the test sees what the application has at a path.
func (a *App) Inside(path string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", a.Cmd.Process.Pid), a.dir, path)
}

// End ends it.
func (a *App) End() { a.in.Close(); _ = a.Cmd.Wait() }

// application is the process itself. Paths are below the folder that stands for its root.
func application() {
	runtime.LockOSThread()
	dir := os.Getenv("KLW_TEST_DIR")
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		fmt.Println("make mounts private:", err)
		return
	}
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
	inside := func(name string) string { return filepath.Join(dir, name) }
	if answer, ok := performNames(command, inside, args); ok {
		return answer
	}
	if answer, ok := performHammer(command, inside, args); ok {
		return answer
	}
	if len(args) > 0 {
		if answer, ok := performOpen(command, inside, args); ok {
			return answer
		}
	}
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
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	listener, err := seccomp.Contain(seccomp.Options{}).LoadListener()
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
