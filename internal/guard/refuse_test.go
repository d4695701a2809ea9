package guard_test

import (
	"os"
	"strings"
	"testing"

	"klw/internal/guard/guardtest"
	"klw/internal/handshake"
)

func TestBadPolicyIsRefusedWithAllErrors(t *testing.T) {
	f := guardtest.New(t, "application x\n@general\nfile relative read\nsocket tcp dance :1\n")
	f.StartGuard()
	a, files := f.Ask(&handshake.Message{Setup: &f.Setup})
	guardtest.CloseFiles(files)
	if !strings.Contains(a.Failed, "klw.policy:3:") || !strings.Contains(a.Failed, "klw.policy:4:") {
		t.Errorf("%+v", a)
	}
	if f.Wait() == nil {
		t.Error("exit code 0")
	}
	f.NothingLeft()
}

func TestWhatCantBeEnforcedIsRefused(t *testing.T) {
	t.Run("publish without a network namespace", func(t *testing.T) {
		f := guardtest.New(t, "application x\npublish tcp 127.0.0.1:18080 -> 80\n@general\nfile / read\nsocket tcp listen :80\n")
		f.StartGuard()
		_, files := f.Ask(&handshake.Message{Setup: &f.Setup})
		f.App = f.StartApplication(files)
		guardtest.CloseFiles(files)
		a, _ := f.Ask(&handshake.Message{Attach: &handshake.Attach{PID: f.App.Cmd.Process.Pid}})
		if !strings.Contains(a.Failed, "klw.policy:2:") {
			t.Errorf("%+v", a)
		}
		f.App.End()
		f.Wait()
		f.NothingLeft()
	})
	t.Run("a process outside the cgroup", func(t *testing.T) {
		f := guardtest.New(t, guardtest.Policy)
		f.StartGuard()
		_, files := f.Ask(&handshake.Message{Setup: &f.Setup})
		guardtest.CloseFiles(files)
		a, _ := f.Ask(&handshake.Message{Attach: &handshake.Attach{PID: os.Getpid()}})
		if !strings.Contains(a.Failed, "is not in its cgroup") {
			t.Errorf("%+v", a)
		}
		f.Wait()
		f.NothingLeft()
	})
	t.Run("a source that isn't there", func(t *testing.T) {
		f := guardtest.New(t, guardtest.Policy)
		f.Setup.Mounts = append(f.Setup.Mounts, handshake.Mount{Source: "/nowhere", Destination: "/data"})
		f.StartGuard()
		a, files := f.Ask(&handshake.Message{Setup: &f.Setup})
		guardtest.CloseFiles(files)
		if !strings.Contains(a.Failed, "/nowhere") {
			t.Errorf("%+v", a)
		}
		f.Wait()
		f.NothingLeft()
	})
	t.Run("replication of what isn't a mount", func(t *testing.T) {
		f := guardtest.New(t, guardtest.Policy+"@replicate\n/data -> /tmp/nowhere\n")
		f.StartGuard()
		a, files := f.Ask(&handshake.Message{Setup: &f.Setup})
		guardtest.CloseFiles(files)
		if !strings.Contains(a.Failed, "isn't a mount") {
			t.Errorf("%+v", a)
		}
		f.Wait()
		f.NothingLeft()
	})
}

func TestGuardUndoesWhenItsStarterGoesAway(t *testing.T) {
	for _, when := range []string{"before Setup", "after Views"} {
		t.Run(when, func(t *testing.T) {
			f := guardtest.New(t, guardtest.Policy)
			f.StartGuard()
			if when == "after Views" {
				_, files := f.Ask(&handshake.Message{Setup: &f.Setup})
				guardtest.CloseFiles(files)
			}
			f.Conn.Close()
			if f.Wait() == nil {
				t.Error("exit code 0")
			}
			f.NothingLeft()
		})
	}
}
