package guard_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/guard/guardtest"
)

const bare = `application test
@general
file /open.txt read
file /secret none
`

// TestLearning: while the guard learns nothing is refused and it says so; then it enforces, and gives what was used.
func TestLearning(t *testing.T) {
	f := guardtest.New(t, bare)
	f.Run()
	c := f.Client()
	ask := func(action string, modules ...string) (l control.Learned, err error) {
		err = c.Call(t.Context(), control.MethodPolicyLearn, control.Learn{Action: action, Modules: modules}, &l)
		return l, err
	}
	for _, tc := range []struct {
		action, module, want string
	}{
		{"stop", "files", "module files doesn't learn"},
		{"show", "files", "nothing was learned yet"},
		{"start", "seal", "module seal can't learn"},
		{"start", "nothing", "no module"},
		{"begin", "files", "expected start, stop or show"},
	} {
		if _, err := ask(tc.action, tc.module); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: %v, want %s", tc.action, tc.module, err, tc.want)
		}
	}
	refused := func() {
		t.Helper()
		for _, try := range [][]string{{"read", "/etc/passwd"}, {"write", "/data/x", "1"}, {"mkdir", "/data/other"}} {
			if got := f.App.Do(try[0], try[1:]...); got != "EACCES" {
				t.Errorf("%v: %s", try, got)
			}
		}
	}
	refused()
	if l, err := ask("start", "files"); err != nil || len(l.Modules) != 1 || !l.Modules[0].Learning {
		t.Fatal(l, err)
	}
	if _, err := ask("start", "files"); err == nil {
		t.Error("it began twice")
	}
	var s control.Status
	if err := c.Call(t.Context(), control.MethodStatus, nil, &s); err != nil || !slices.ContainsFunc(s.NotEnforced, func(l string) bool {
		return strings.Contains(l, "module files learns")
	}) {
		t.Errorf("status: %v, not enforced: %q", err, s.NotEnforced)
	}
	for try, want := range map[string]string{"read /open.txt": "hello", "read /secret/key": "s3cret", "write /data/x 1": "ok", "mkdir /data/new": "ok"} {
		if got := f.App.Do(try); got != want {
			t.Errorf("%s: %s, want %s", try, got, want)
		}
	}
	if l, err := ask("stop", "files"); err != nil || l.Modules[0].Learning || l.Modules[0].Uses != 4 || l.Modules[0].Unlisted != 3 {
		t.Error(l, err)
	}
	refused()
	l, err := ask("show", "files")
	if err != nil || l.Text != bare+"file /data/new write                     # the application made this folder\nfile /data/x write\n\n"+
		"# Seen, but not proposed:\n#   root: read /secret/key: klw.policy:4 says none\n" {
		t.Errorf("%v, text:\n%s", err, l.Text)
	}
	f.App.End()
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range f.Events() {
		if e.Decision == audit.Notice && e.Module == "files" {
			told = append(told, e.Operation)
		}
	}
	if !slices.Equal(told, []string{"learn", "enforce"}) {
		t.Errorf("events %q", told)
	}
}

// TestLearningFromTheFirstInstruction: nothing is ever refused, and it is in the record.
// TestLearningAndFIFOs: what FIFOs show follows the beginning and the end of learning at once.
func TestLearningAndFIFOs(t *testing.T) {
	f := guardtest.New(t, bare)
	if err := unix.Mkfifo(filepath.Join(f.Bundle, "rootfs/secret/fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.Run()
	c := f.Client()
	var st unix.Stat_t
	for _, step := range []struct {
		action string
		mode   uint32
	}{{"", 0}, {"start", 0o644}, {"stop", 0}, {"start", 0o644}} {
		if step.action != "" {
			if err := c.Call(t.Context(), control.MethodPolicyLearn, control.Learn{Action: step.action}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Stat(f.App.Inside("/secret/fifo"), &st); err != nil {
			t.Fatal(err)
		}
		if st.Mode&0o7777 != step.mode {
			t.Errorf("after %q: mode %o, want %o", step.action, st.Mode, step.mode)
		}
	}
}

func TestLearningFromTheFirstInstruction(t *testing.T) {
	f := guardtest.New(t, "application test\n")
	f.Setup.Learn = true
	f.Run()
	if got := f.App.Do("read", "/open.txt"); got != "hello" {
		t.Error(got)
	}
	var l control.Learned
	err := f.Client().Call(t.Context(), control.MethodPolicyLearn, control.Learn{Action: "show", Modules: []string{"files"}}, &l)
	if want := "application test\nusers root\n\n@general\nfile /open.txt read\n"; err != nil || l.Text != want {
		t.Errorf("%v, text:\n%s", err, l.Text)
	}
}
