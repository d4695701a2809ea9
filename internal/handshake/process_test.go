package handshake

import (
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestState(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer cmd.Process.Kill()
	p, err := FindProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	later := Process{PID: p.PID, StartTime: p.StartTime + 1}
	if s := later.State(); s != 0 {
		t.Errorf("another process of the same number: %q", s)
	}
	for _, step := range []struct {
		signal unix.Signal
		want   byte
	}{{unix.SIGSTOP, 'T'}, {unix.SIGCONT, 'S'}, {unix.SIGKILL, 'Z'}} {
		if err := unix.Kill(p.PID, step.signal); err != nil {
			t.Fatal(err)
		}
		end := time.Now().Add(5 * time.Second)
		for p.State() != step.want && time.Now().Before(end) {
			time.Sleep(time.Millisecond)
		}
		if s := p.State(); s != step.want {
			t.Errorf("after %v: %q, want %q", step.signal, s, step.want)
		}
	}
	_ = cmd.Wait()
	if s := p.State(); s != 0 {
		t.Errorf("reaped: %q", s)
	}
	if s := (Process{}).State(); s != 0 {
		t.Errorf("no process: %q", s)
	}
}
