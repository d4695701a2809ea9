package runtime_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
)

// onTerminal runs klw-runc on a pseudo terminal of 91 by 17 and gives what appears there.
func onTerminal(b *box, input string, args ...string) (string, int) {
	b.Helper()
	master, name, err := console.NewPty()
	b.must(err)
	defer master.Close()
	b.must(master.Resize(console.WinSize{Width: 91, Height: 17}))
	slave, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	b.must(err)
	cmd := b.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	b.must(cmd.Start())
	slave.Close()
	var seen strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			seen.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	if input != "" {
		time.Sleep(200 * time.Millisecond)
		master.Write([]byte(input))
	}
	timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
	<-done
	return seen.String(), cmd.ProcessState.ExitCode()
}

func TestRunOnTerminal(t *testing.T) {
	b := newBox(t, "tty")
	b.spec.Process.Terminal = true
	b.writeSpec()
	if out, code := onTerminal(b, "", "run", b.id); code != 0 || !strings.HasPrefix(out, "/dev/pts/0 ") || !strings.HasSuffix(out, "91x17\r\n") {
		t.Errorf("exit code %d, %q", code, out)
	}
}

func TestInterruptFromTerminal(t *testing.T) {
	b := newBox(t, "wait")
	b.spec.Process.Terminal = true
	b.writeSpec()
	go func() {
		time.Sleep(600 * time.Millisecond)
		b.command("kill", b.id, "TERM").Run()
	}()
	if out, code := onTerminal(b, "\x03", "run", b.id); code != 3 || !strings.Contains(out, "got interrupt") {
		t.Errorf("exit code %d, %q", code, out)
	}
}

func TestExecOnTerminal(t *testing.T) {
	b := running(t, nil)
	if out, code := onTerminal(b, "", "exec", "-t", b.id, "/app", "tty"); code != 0 || !strings.Contains(out, "/dev/pts/") || !strings.HasSuffix(out, "91x17\r\n") {
		t.Errorf("exit code %d, %q", code, out)
	}
}

// Engines listen on a socket for the master of a detached container.
func TestConsoleSocket(t *testing.T) {
	b := newBox(t, "tty")
	b.spec.Process.Terminal = true
	path := filepath.Join(b.dir, "console.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	b.must(err)
	defer listener.Close()
	got := make(chan *os.File, 1)
	go func() { got <- acceptFile(listener) }()
	b.writeSpec()
	b.fails(1, "needs --console-socket", "create", b.id)
	b.ok("create", "--console-socket", path, b.id)
	master := <-got
	if master == nil {
		t.Fatal("no master came")
	}
	defer master.Close()
	b.ok("start", b.id)
	buf := make([]byte, 100)
	n, err := master.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "/dev/pts/0 ") {
		t.Errorf("%q %v", buf[:n], err)
	}
}

func TestPidfdSocket(t *testing.T) {
	b := newBox(t, "wait")
	path := filepath.Join(b.dir, "pidfd.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	b.must(err)
	defer listener.Close()
	got := make(chan *os.File, 1)
	go func() { got <- acceptFile(listener) }()
	b.create("--pidfd-socket", path)
	pidfd := <-got
	if pidfd == nil {
		t.Fatal("no pidfd came")
	}
	defer pidfd.Close()
	b.must(unix.PidfdSendSignal(int(pidfd.Fd()), unix.SIGKILL, nil, 0))
	b.eventually("stopped", b.stopped)
}

// acceptFile takes the one descriptor that comes over the first connection.
func acceptFile(l *net.UnixListener) *os.File {
	conn, err := l.AcceptUnix()
	if err != nil {
		return nil
	}
	defer conn.Close()
	buf, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil
	}
	return os.NewFile(uintptr(fds[0]), "passed")
}
