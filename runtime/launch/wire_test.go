package launch

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// ends gives klw-runc's side of a wire to a process, and the other end.
func ends(t *testing.T, pid int) (*Init, Wire) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	i := &Init{config: &Config{Exec: true}, pid: pid, wire: Wire(pair[0])}
	t.Cleanup(func() { i.Close() })
	if err := i.wire.Identify(); err != nil {
		t.Fatal(err)
	}
	return i, Wire(pair[1])
}

// TestOnlyKlwInitIsHeard: its end of the wire can be taken from the process that it makes.
func TestOnlyKlwInitIsHeard(t *testing.T) {
	other, theirs := ends(t, os.Getpid()+1)
	own, ours := ends(t, os.Getpid())
	for _, w := range []Wire{theirs, ours} {
		if err := w.Send(Message{Step: StepMounted}); err != nil {
			t.Fatal(err)
		}
		if err := unix.Sendto(int(w), []byte("{"), 0, nil); err != nil {
			t.Fatal(err)
		}
		unix.Close(int(w))
	}
	if m, err := other.receive(); !errors.Is(err, ErrClosed) {
		t.Errorf("a stranger's message was taken: %+v, %v", m, err)
	}
	if m, err := own.receive(); err != nil || m.Step != StepMounted {
		t.Errorf("klw-init's message: %+v, %v", m, err)
	}
}

// TestProcessIsAChild: what is told of becomes what is waited for, signalled and killed.
func TestProcessIsAChild(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	for pid, want := range map[int]bool{child.Process.Pid: true, 1: false, -1: false, os.Getpid(): false} {
		i, w := ends(t, os.Getpid())
		if err := w.Send(Message{Step: StepExecute, PID: pid}); err != nil {
			t.Fatal(err)
		}
		err := i.await(StepExecute)
		unix.Close(int(w))
		if (err == nil) != want || (i.pid == pid) != (want || pid == os.Getpid()) {
			t.Errorf("process %d: %v, and process %d is followed", pid, err, i.pid)
		}
	}
}
