package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/guard"
	"klw/internal/handshake"
	"klw/internal/layout"
	"klw/internal/view"
)

// never is a module that lets what it is asked wait.
type never struct{}

func (never) Info() hooks.Info {
	return hooks.Info{Name: "never", Description: "waits", Monitors: hooks.Ops(hooks.OpOpen)}
}

func (never) Pre(*hooks.Call) hooks.Verdict {
	os.Stdout.WriteString("asked\n")
	select {}
}

// stuck is a process whose one thread waits for its own view.
func stuck(source string) {
	m := hooks.NewMaster(nil)
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	_, err := m.Register(never{})
	check(err)
	v, err := view.NewServer(m).Add(view.Options{Source: source, Inside: "/"})
	check(err)
	mount, err := v.Mount()
	check(err)
	_, err = unix.Openat(int(mount.Fd()), "file", unix.O_RDONLY, 0)
	check(err)
}

func TestCleanupOfAGuardThatWaitsForItself(t *testing.T) {
	source := t.TempDir()
	if err := os.WriteFile(source+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "KLW_TEST_STUCK="+source)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	self, err := handshake.FindProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	root := layout.Root(t.TempDir())
	text, err := json.Marshal(handshake.Traces{Guard: self})
	if err = errors.Join(err, os.MkdirAll(string(root.Container("c")), 0o700), os.WriteFile(root.Container("c").Guard(), text, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := guard.Cleanup(context.Background(), root, "c"); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
}
