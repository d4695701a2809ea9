package guard_test

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/audit"
	"klw/internal/guard"
	"klw/internal/guard/guardtest"
)

func TestMain(m *testing.M) {
	if source := os.Getenv("KLW_TEST_STUCK"); source != "" {
		stuck(source)
	}
	if file := os.Getenv("KLW_TEST_FAILING"); file != "" {
		guard.FailAt(file)
	}
	os.Exit(guardtest.Main(m))
}

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
	if !slices.ContainsFunc(events, func(e audit.Event) bool { return e.Operation == audit.OpStop }) {
		t.Errorf("no event tells the end: %+v", events)
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
