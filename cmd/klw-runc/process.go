package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"klw/runtime"
	"klw/runtime/launch"
	"klw/runtime/terminal"
)

// process is what the command line does for a process in a container: its input and output, its pid file, and, in the
// foreground, its signals and its end.
type process struct {
	stdio       runtime.Stdio
	detach      bool
	pidFile     string
	pidfdSocket string
	terminal    *terminal.Terminal // foreground, with a terminal
	signals     chan os.Signal     // foreground
	closed      bool
}

func newProcess(cmd *cli.Command, spec *specs.Process, detach bool) (*process, error) {
	p := &process{detach: detach, pidFile: cmd.String("pid-file"), pidfdSocket: cmd.String("pidfd-socket")}
	p.stdio = runtime.Stdio{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, PreserveFDs: cmd.Int("preserve-fds")}
	p.activationSockets(spec)
	if err := p.sealDescriptors(); err != nil {
		return nil, err
	}
	socket := cmd.String("console-socket")
	switch {
	case socket == "" && detach && spec.Terminal:
		return nil, errors.New("process.terminal is set: a detached process needs --console-socket")
	case socket != "" && (!detach || !spec.Terminal):
		return nil, errors.New("--console-socket is for a detached process with process.terminal set")
	case socket != "":
		f, err := dial(socket)
		if err != nil {
			return nil, fmt.Errorf("--console-socket: %w", err)
		}
		p.stdio.Console = f
	case spec.Terminal:
		t, err := terminal.New()
		if err != nil {
			return nil, err
		}
		p.terminal, p.stdio.Console = t, t.Socket
		if width, height := terminal.Size(); width != 0 {
			spec.ConsoleSize = &specs.Box{Width: width, Height: height}
		}
	}
	return p, nil
}

// activationSockets passes on the sockets that a supervisor opened for us (sd_listen_fds).
func (p *process) activationSockets(spec *specs.Process) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n <= 0 {
		return
	}
	p.stdio.PreserveFDs += n
	spec.Env = append(spec.Env, "LISTEN_FDS="+strconv.Itoa(n), "LISTEN_PID=1")
}

// sealDescriptors keeps what we inherited from hooks and from the guard, and makes sure of what is to be passed on: a
// descriptor that is closed on exec is not the caller's, but one that Go's runtime opened.
func (p *process) sealDescriptors() error {
	for i := range p.stdio.PreserveFDs {
		if flags, err := unix.FcntlInt(uintptr(3+i), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			return fmt.Errorf("--preserve-fds %d: descriptor %d: %w", p.stdio.PreserveFDs, 3+i, unix.EBADF)
		}
	}
	if err := unix.CloseRange(3, 1<<32-1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range: %w", err)
	}
	return nil
}

// watchSignals catches signals from now on: one that comes while the container is made is passed on later.
func (p *process) watchSignals(subreaper bool) {
	if subreaper {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			logWarning("becoming a subreaper: " + err.Error())
		}
	}
	p.signals = make(chan os.Signal, 256)
	signal.Notify(p.signals)
}

// follow does what remains when the process is there: in the foreground it waits for its end and gives its status.
func (p *process) follow(init *launch.Init) (int, error) {
	pid := init.PID()
	if p.terminal != nil {
		if err := p.terminal.Connect(); err != nil {
			return 0, err
		}
	}
	if p.pidfdSocket != "" {
		if err := sendPidfd(p.pidfdSocket, pid); err != nil {
			return 0, fmt.Errorf("--pidfd-socket: %w", err)
		}
	}
	if p.pidFile != "" {
		if err := writePidFile(p.pidFile, pid); err != nil {
			return 0, fmt.Errorf("--pid-file: %w", err)
		}
	}
	if p.detach {
		return 0, nil
	}
	return p.wait(pid)
}

// wait passes signals on to the process until it has ended, and reaps whatever else ends.
func (p *process) wait(pid int) (int, error) {
	for {
		if status, ended, err := reap(pid); ended || err != nil {
			return status, err
		}
		switch s := (<-p.signals).(unix.Signal); s {
		case unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE: // SIGURG is how Go's scheduler interrupts its threads
		case unix.SIGWINCH:
			if p.terminal != nil {
				p.terminal.Resize()
			}
		default:
			_ = unix.Kill(pid, s)
		}
	}
}

// reap collects the children that have ended. It says whether the process was among them, and with which status.
func reap(pid int) (status int, ended bool, err error) {
	for {
		var ws unix.WaitStatus
		child, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err == unix.ECHILD && !ended:
			return 0, false, fmt.Errorf("process %d is not our child any more", pid)
		case err != nil || child == 0:
			return status, ended, nil
		case child == pid && ws.Signaled():
			status, ended = 128+int(ws.Signal()), true
		case child == pid && ws.Exited():
			status, ended = ws.ExitStatus(), true
		}
	}
}

func (p *process) close() {
	if p.closed {
		return
	}
	p.closed = true
	switch {
	case p.terminal != nil:
		p.terminal.Close()
	case p.stdio.Console != nil:
		p.stdio.Console.Close()
	}
}

// writePidFile gives the file its content as a whole: engines read it as soon as it is there.
func writePidFile(path string, pid int) error {
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.WriteFile(next, []byte(strconv.Itoa(pid)), 0o666); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// dial connects to a UNIX socket.
func dial(path string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "connect to", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// sendPidfd sends a descriptor of the process.
func sendPidfd(socket string, pid int) error {
	s, err := dial(socket)
	if err != nil {
		return err
	}
	defer s.Close()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendmsg(int(s.Fd()), []byte("pidfd"), unix.UnixRights(fd), nil, 0)
}
