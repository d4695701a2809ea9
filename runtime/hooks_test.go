package runtime_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// recorded adds a hook of every kind that appends to a file, and gives that file.
func recorded(b *box) string {
	log := filepath.Join(b.dir, "rootfs", "data", "hooks")
	app := filepath.Join(binaries, "testapp")
	outside := func(name string) []specs.Hook {
		return []specs.Hook{{Path: app, Args: []string{"app", "hook", log, name}, Env: []string{"A=b"}}}
	}
	b.spec.Hooks = &specs.Hooks{
		Prestart: outside("prestart"), CreateRuntime: outside("createRuntime"), //nolint:staticcheck // deprecated, still used
		CreateContainer: outside("createContainer"), Poststart: outside("poststart"), Poststop: outside("poststop"),
		// This one runs in the container: its paths are seen from there.
		StartContainer: []specs.Hook{{Path: "/app", Args: []string{"app", "hook", "/data/hooks", "startContainer"}}},
	}
	return log
}

type hookCall struct {
	name  string
	state specs.State
}

func calls(b *box, log string) (list []hookCall) {
	b.Helper()
	text, err := os.ReadFile(log)
	b.must(err)
	for line := range strings.Lines(string(text)) {
		name, state, _ := strings.Cut(line, " ")
		c := hookCall{name: name}
		b.must(json.Unmarshal([]byte(state), &c.state))
		list = append(list, c)
	}
	return list
}

func names(list []hookCall) (out []string) {
	for _, c := range list {
		out = append(out, c.name)
	}
	return out
}

func TestHooksInOrderWithTheState(t *testing.T) {
	b := newBox(t, "wait")
	b.spec.Annotations = map[string]string{"a": "b"}
	log := recorded(b)
	b.create()
	if got := names(calls(b, log)); !slices.Equal(got, []string{"prestart", "createRuntime", "createContainer"}) {
		t.Errorf("by create: %v", got)
	}
	pid := b.state().Pid
	b.ok("start", b.id)
	b.ok("kill", b.id, "KILL")
	b.eventually("stopped", b.stopped)
	b.ok("delete", b.id)
	want := map[string]specs.ContainerState{
		"prestart": specs.StateCreating, "createRuntime": specs.StateCreating, "createContainer": specs.StateCreating,
		"startContainer": specs.StateCreated, "poststart": specs.StateRunning, "poststop": specs.StateStopped,
	}
	list := calls(b, log)
	if got := names(list); !slices.Equal(got, []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}) {
		t.Errorf("in all: %v", got)
	}
	for _, c := range list {
		s := c.state
		if s.Status != want[c.name] || s.ID != b.id || s.Bundle != b.dir || s.Version != specs.Version || s.Annotations["a"] != "b" {
			t.Errorf("%s got %+v", c.name, s)
		}
		if !slices.Contains([]string{"createContainer", "startContainer", "poststop"}, c.name) && s.Pid != pid {
			t.Errorf("%s got pid %d, want %d", c.name, s.Pid, pid)
		}
	}
}

func TestRunRunsAllHooks(t *testing.T) {
	b := newBox(t, "exit", "0")
	log := recorded(b)
	b.writeSpec()
	b.ok("run", b.id)
	if got := names(calls(b, log)); len(got) != 6 || got[5] != "poststop" {
		t.Errorf("got %v", got)
	}
}

func TestFailingHookUndoesAll(t *testing.T) {
	fail := []specs.Hook{{Path: filepath.Join(binaries, "testapp"), Args: []string{"app", "fail"}}}
	for kind, set := range map[string]func(*specs.Hooks){
		"prestart":        func(h *specs.Hooks) { h.Prestart = fail }, //nolint:staticcheck // deprecated, still used
		"createRuntime":   func(h *specs.Hooks) { h.CreateRuntime = fail },
		"createContainer": func(h *specs.Hooks) { h.CreateContainer = fail },
		"poststart":       func(h *specs.Hooks) { h.Poststart = fail },
		"startContainer": func(h *specs.Hooks) {
			h.StartContainer = []specs.Hook{{Path: "/app", Args: []string{"app", "fail"}}}
		},
	} {
		t.Run(kind, func(t *testing.T) {
			b := newBox(t, "wait")
			log := recorded(b)
			set(b.spec.Hooks)
			b.writeSpec()
			r := b.klw("run", "-d", b.id)
			if r.code != 1 || !strings.Contains(r.errOut, kind) || !strings.Contains(r.errOut, "this one fails") {
				t.Errorf("exit code %d, %s", r.code, r.errOut)
			}
			if left := b.leftovers(); left != nil {
				t.Errorf("left: %v", left)
			}
			if list := calls(b, log); len(list) == 0 || list[len(list)-1].name != "poststop" {
				t.Errorf("poststop was not the last: %v", names(list))
			}
		})
	}
}

func TestFailingPoststopIsAWarning(t *testing.T) {
	b := newBox(t, "exit", "0")
	b.spec.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: filepath.Join(binaries, "testapp"), Args: []string{"app", "fail"}}}}
	b.writeSpec()
	r := b.klw("run", b.id)
	if r.code != 0 || !strings.Contains(r.errOut, "warning: poststop hook 0") {
		t.Errorf("exit code %d, %s", r.code, r.errOut)
	}
}

func TestHookTimeout(t *testing.T) {
	b := newBox(t, "wait")
	second := 1
	b.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sleep", Args: []string{"sleep", "30"}, Timeout: &second}}}
	b.writeSpec()
	b.fails(1, "killed after its timeout of 1 seconds", "create", b.id)
}

func TestHooksMayAskForTheState(t *testing.T) {
	b := newBox(t, "wait")
	runc := filepath.Join(binaries, "klw-runc")
	log := filepath.Join(b.dir, "state")
	b.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c",
		runc + " --root " + b.root + " state " + b.id + " >" + log}}}}
	b.create()
	text, err := os.ReadFile(log)
	b.must(err)
	if !strings.Contains(string(text), `"status": "creating"`) {
		t.Errorf("the hook saw %s", text)
	}
}
