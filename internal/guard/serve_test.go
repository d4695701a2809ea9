package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/guard"
	"klw/internal/guard/guardtest"
	"klw/internal/handshake"
)

func TestMain(m *testing.M) { os.Exit(guardtest.Main(m)) }

func refusals(events []audit.Event) (list []string) {
	for _, e := range events {
		if e.Decision == audit.Refused {
			list = append(list, fmt.Sprint(e.Operation, " ", e.Path, e.Address, " ", e.Module, " ", e.Rule, " ", e.Errno, " ", e.Count))
		}
	}
	return list
}

func TestGuardGuardsUntilTheContainerEnds(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	for _, tc := range [][]string{
		{"hello", "read", "/open.txt"},
		{"EACCES", "read", "/secret/key"},
		{"EACCES", "write", "/open.txt", "x"},
		{"ok", "write", "/data/new", "x"},
		{"x", "read", "/data/new"},
		{"ECONNREFUSED", "connect", "127.0.0.1:1"},
		{"EPERM", "connect", "127.0.0.1:2"},
	} {
		if got := f.App.Do(tc[1], tc[2:]...); got != tc[0] {
			t.Errorf("%v gave %s", tc[1:], got)
		}
	}
	f.App.End()
	if err := f.Wait(); err != nil {
		t.Fatalf("guard: %v", err)
	}
	want := []string{
		"open /secret/key files klw.policy:5 EACCES 1",
		"open /open.txt files klw.policy:4 EACCES 1",
		"connect tcp 127.0.0.1:2 sockets no rule EPERM 1",
	}
	events := f.Events()
	if got := refusals(events); !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if e := events[0]; e.Operation != audit.OpStart || e.Container != f.ID || e.Application != "test" {
		t.Errorf("first event %+v", e)
	}
	if e := events[len(events)-1]; e.Operation != audit.OpStop {
		t.Errorf("last event %+v", e)
	}
	if e := events[1]; e.PID != uint32(f.App.Cmd.Process.Pid) && e.Comm == "" || e.Inode == "" || e.Hint == "" {
		t.Errorf("refusal %+v", e)
	}
	f.NothingLeft()
}

func TestSystemCallsAreRefusedAndTold(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	for _, tc := range [][]string{
		{"ok", "confine", f.Root.Container(f.ID).Seccomp()},
		{"EPERM", "mount"},
		{"ok", "setuid", "33"},
		{"EPERM", "setuid", "0"},
	} {
		if got := f.App.Do(tc[1], tc[2:]...); got != tc[0] {
			t.Errorf("%v gave %s", tc[1:], got)
		}
	}
	f.App.End()
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
	got := refusals(f.Events())
	if len(got) != 2 || !strings.HasPrefix(got[0], "syscall mount(") || !strings.Contains(got[0], "seal no rule EPERM") ||
		!strings.HasPrefix(got[1], "setuid setresuid(") || !strings.Contains(got[1], "seal seal EPERM") {
		t.Errorf("events\n%s", strings.Join(got, "\n"))
	}
	f.NothingLeft()
}

func TestControlChannel(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	ctx := t.Context()
	c := f.Client()
	var s control.Status
	if err := c.Call(ctx, control.MethodStatus, nil, &s); err != nil {
		t.Fatal(err)
	}
	if s.State != "enforcing" || s.PID != f.Cmd.Process.Pid || len(s.Views) != 1 || !s.Views[0].Alive || len(s.NotEnforced) != 0 {
		t.Errorf("status %+v", s)
	}
	var text control.PolicyText
	if err := c.Call(ctx, control.MethodPolicyShow, nil, &text); err != nil || text.Text != guardtest.Policy {
		t.Errorf("policy.show: %v %+v", err, text)
	}
	var a control.Answer
	q := control.Question{Kind: "file", User: "www", Path: "/secret/key", Perm: "read"}
	if err := c.Call(ctx, control.MethodPolicyExplain, q, &a); err != nil || a.Allowed || a.Rule != "klw.policy:5" {
		t.Errorf("policy.explain: %v %+v", err, a)
	}
	q = control.Question{Kind: "socket", Protocol: "tcp", Action: "connect", Address: "127.0.0.1:1"}
	if err := c.Call(ctx, control.MethodPolicyExplain, q, &a); err != nil || !a.Allowed || a.Rule != "klw.policy:7" {
		t.Errorf("policy.explain: %v %+v", err, a)
	}
	var l control.Level
	if err := c.Call(ctx, control.MethodLogLevel, control.Level{Level: "debug"}, &l); err != nil || l.Level != "debug" {
		t.Errorf("log.level: %v %+v", err, l)
	}
	var coded *control.Error
	if err := c.Call(ctx, control.MethodLogLevel, control.Level{Level: "loud"}, &l); !errors.As(err, &coded) || coded.Code != control.CodeRequest {
		t.Errorf("log.level loud: %v", err)
	}
	for _, tc := range []struct {
		method, name string
		code         control.Code
	}{
		{control.MethodModuleLoad, "files", control.CodeConflict},
		{control.MethodModuleUnload, "audit", control.CodeConflict},
		{control.MethodModuleUnload, "seal", control.CodeConflict},
		{control.MethodModuleLoad, "nothing", control.CodeNotFound},
	} {
		if err := c.Call(ctx, tc.method, control.Name{Name: tc.name}, nil); !errors.As(err, &coded) || coded.Code != tc.code {
			t.Errorf("%s %s: %v", tc.method, tc.name, err)
		}
	}
}

func TestModulesAreLoadedAndUnloaded(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	ctx, c := t.Context(), f.Client()
	call := func(method, name string) {
		t.Helper()
		if err := c.Call(ctx, method, control.Name{Name: name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	call(control.MethodModuleLoad, "audit")
	f.App.Do("read", "/open.txt")
	guardtest.Retry(t, func() error {
		for _, e := range f.Events() {
			if e.Decision == audit.Audit && e.Operation == "open" && e.Path == "/open.txt" && e.Errno == "" {
				return nil
			}
		}
		return errors.New("the read wasn't recorded")
	})
	call(control.MethodModuleUnload, "audit")
	for _, name := range []string{"files", "sockets"} {
		call(control.MethodModuleUnload, name)
	}
	if got := f.App.Do("read", "/secret/key"); got != "s3cret" {
		t.Errorf("without the file rules: %s", got)
	}
	if got := f.App.Do("connect", "127.0.0.1:2"); got != "ECONNREFUSED" {
		t.Errorf("without the socket rules: %s", got)
	}
	var s control.Status
	if err := c.Call(ctx, control.MethodStatus, nil, &s); err != nil || len(s.NotEnforced) != 2 {
		t.Errorf("status: %v, not enforced: %q", err, s.NotEnforced)
	}
	for _, name := range []string{"files", "sockets"} {
		call(control.MethodModuleLoad, name)
	}
	if got := f.App.Do("read", "/secret/key"); got != "EACCES" {
		t.Errorf("with the file rules again: %s", got)
	}
	if got := f.App.Do("connect", "127.0.0.1:2"); got != "EPERM" {
		t.Errorf("with the socket rules again: %s", got)
	}
	f.App.End()
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
	var notices []string
	for _, e := range f.Events() {
		if e.Decision == audit.Notice {
			notices = append(notices, e.Operation+" "+e.Module)
		}
	}
	want := "start guard, load audit, unload audit, unload files, unload sockets, load files, load sockets, stop guard"
	if got := strings.Join(notices, ", "); got != want {
		t.Errorf("notices: %s", got)
	}
}

func TestEventsAreStreamed(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	c := f.Client()
	got := make(chan audit.Event, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- c.Stream(context.Background(), control.MethodEvents, control.EventsQuery{Follow: true}, func(raw json.RawMessage) error {
			var e audit.Event
			err := json.Unmarshal(raw, &e)
			got <- e
			return err
		})
	}()
	f.App.Do("read", "/secret/key")
	f.App.End()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	close(got)
	var ops []string
	for e := range got {
		ops = append(ops, e.Operation)
	}
	if strings.Join(ops, " ") != "start open stop" {
		t.Errorf("streamed: %v", ops)
	}
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
}

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

func TestStoppedGuardOpensNothing(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	f.App.Do("read", "/open.txt")
	f.Cmd.Process.Signal(unix.SIGTERM)
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/secret/key": "ENOTCONN", "/data/new": "ENOTCONN"} {
		if got := f.App.Do("read", path); got != want {
			t.Errorf("read %s gave %s", path, got)
		}
	}
	if got := f.App.Do("connect", "127.0.0.1:2"); got != "EPERM" {
		t.Errorf("connect gave %s", got)
	}
	f.App.End()
	f.NothingLeft()
}

func TestKilledGuardIsCleanedUpAfter(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	if _, err := os.Stat(f.Root.Container(f.ID).Guard()); err != nil {
		t.Fatal(err)
	}
	f.Cmd.Process.Kill()
	f.Wait()
	if got := f.App.Do("read", "/open.txt"); got != "ENOTCONN" {
		t.Errorf("read gave %s", got)
	}
	if got := f.App.Do("connect", "127.0.0.1:2"); got != "EPERM" {
		t.Errorf("connect gave %s", got)
	}
	f.App.End()
	for range 2 {
		if err := guard.Cleanup(t.Context(), f.Root, f.ID); err != nil {
			t.Fatal(err)
		}
		f.NothingLeft()
	}
	events := f.Events()
	if e := events[len(events)-1]; e.Operation != audit.OpStop || !strings.Contains(e.Hint, "was killed") {
		t.Errorf("last event %+v", e)
	}
}

func TestCleanupEndsALivingGuard(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	if err := guard.Cleanup(t.Context(), f.Root, f.ID); err != nil {
		t.Fatal(err)
	}
	f.Wait()
	f.App.End()
	f.NothingLeft()
}

func TestGuardKeepsNothingOfItsStarter(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f.Extra = []*os.File{w}
	f.Run()
	w.Close()
	r.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the guard holds an inherited pipe: %v", err)
	}
	proc := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", f.Cmd.Process.Pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if !strings.Contains(proc("status"), "Umask:\t0077") {
		t.Error("umask")
	}
	if strings.Contains(proc("environ"), "KLW_TEST") {
		// The initial environment stays in memory, but nobody but root may read it: the guard isn't dumpable.
		info, err := os.Stat(fmt.Sprintf("/proc/%d/environ", f.Cmd.Process.Pid))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("environ: %v %v", info.Mode(), err)
		}
	}
	if fields := strings.Fields(proc("stat")); fields[5] != fields[0] {
		t.Errorf("session %s of process %s", fields[5], fields[0])
	}
}
