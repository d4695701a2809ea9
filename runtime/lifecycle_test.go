package runtime_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestLifeCycle(t *testing.T) {
	b := newBox(t, "wait")
	b.spec.Annotations = map[string]string{"a": "b"}
	pidFile := filepath.Join(b.dir, "pid")
	b.create("--pid-file", pidFile)
	s := b.state()
	if s.Status != specs.StateCreated || s.ID != b.id || s.Bundle != b.dir || s.Annotations["a"] != "b" || s.Version != specs.Version {
		t.Errorf("state after create: %+v", s)
	}
	text, err := os.ReadFile(pidFile)
	b.must(err)
	if pid, _ := strconv.Atoi(string(text)); pid != s.Pid || syscall.Kill(pid, 0) != nil {
		t.Errorf("pid file says %q, state %d", text, s.Pid)
	}
	b.fails(1, "already exists", "create", b.id)
	b.ok("start", b.id)
	b.wantStatus(specs.StateRunning)
	b.fails(1, "it is running", "start", b.id)
	b.fails(1, "not stopped", "delete", b.id)
	b.ok("kill", b.id, "TERM")
	b.eventually("stopped", b.stopped)
	b.fails(1, "container not running", "kill", b.id)
	b.fails(1, "it has stopped", "start", b.id)
	b.ok("delete", b.id)
	if left := b.leftovers(); left != nil {
		t.Errorf("after delete: %v", left)
	}
	for _, command := range []string{"state", "start", "kill", "delete"} {
		b.fails(1, "does not exist", command, b.id)
	}
	b.ok("delete", "--force", b.id)
}

func TestKillBeforeStart(t *testing.T) {
	b := newBox(t, "wait")
	b.create()
	b.ok("kill", b.id, "9")
	b.eventually("stopped", b.stopped)
	b.ok("delete", b.id)
}

func TestDeleteCreated(t *testing.T) {
	b := newBox(t, "wait")
	b.create()
	b.ok("delete", b.id)
}

func TestConfigAfterCreateIsIgnored(t *testing.T) {
	b := newBox(t, "wait")
	b.create()
	b.spec.Process.Args = []string{"/app", "exit", "9"}
	b.writeSpec()
	b.ok("start", b.id)
	b.wantStatus(specs.StateRunning)
}

func TestRunExitCodes(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"/app", "exit", "0"}, 0, ""},
		{[]string{"/app", "exit", "7"}, 7, ""},
		{[]string{"nosuch"}, 1, "executable file not found in $PATH"},
		{[]string{"/nosuch"}, 1, "no such file or directory"},
		{[]string{"/etc/passwd"}, 1, "permission denied"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			b := newBox(t)
			b.spec.Process.Args = c.args
			b.writeSpec()
			if c.says != "" {
				b.fails(c.code, c.says, "run", b.id)
			} else if r := b.klw("run", b.id); r.code != c.code || r.errOut != "" {
				t.Errorf("exit code %d, want %d; %s", r.code, c.code, r.errOut)
			}
			if left := b.leftovers(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestRunKilledBySignal(t *testing.T) {
	b := newBox(t, "wait")
	b.writeSpec()
	done := make(chan result)
	go func() { done <- b.klw("run", b.id) }()
	b.eventually("running", func() bool { r := b.klw("state", b.id); return strings.Contains(r.out, `"running"`) })
	b.ok("kill", b.id, "KILL")
	if r := <-done; r.code != 128+9 {
		t.Errorf("exit code %d, want 137; %s", r.code, r.errOut)
	}
}

func TestRunPassesSignalsOn(t *testing.T) {
	b := newBox(t, "wait", "/data/up")
	b.writeSpec()
	cmd := b.command("run", b.id)
	done := make(chan result)
	go func() { done <- b.finish(cmd) }()
	b.eventually("up", func() bool { return b.exists("rootfs/data/up") })
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGINT, syscall.SIGTERM} {
		b.must(cmd.Process.Signal(s))
		if s != syscall.SIGTERM {
			b.settle()
		}
	}
	r := <-done
	if r.code != 3 || r.out != "up\ngot user defined signal 1\ngot interrupt\n" {
		t.Errorf("exit code %d, want 3; %q %s", r.code, r.out, r.errOut)
	}
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestRunDetached(t *testing.T) {
	b := newBox(t, "wait")
	b.writeSpec()
	b.ok("run", "-d", b.id)
	b.wantStatus(specs.StateRunning)
}

func TestRunKeep(t *testing.T) {
	b := newBox(t, "exit", "4")
	b.writeSpec()
	if r := b.klw("run", "--keep", b.id); r.code != 4 {
		t.Errorf("exit code %d", r.code)
	}
	b.wantStatus(specs.StateStopped)
}

func TestRunFolderOfBundle(t *testing.T) {
	b := newBox(t, "exit", "6")
	b.writeSpec()
	folder := filepath.Join(filepath.Dir(b.dir), b.id)
	b.must(os.Rename(b.dir, folder))
	b.dir = filepath.Dir(folder)
	if r := b.klw("run", b.id); r.code != 6 {
		t.Errorf("exit code %d; %s", r.code, r.errOut)
	}
	b.dir = folder
	b.fails(1, "no such file or directory", "run", "--bundle", "nowhere", b.id)
}

func TestNoPIDNamespaceKillTakesAll(t *testing.T) {
	b := newBox(t, "brood", "2")
	b.spec.Linux.Namespaces = b.spec.Linux.Namespaces[1:] // pid is the first
	b.create()
	b.ok("start", b.id)
	b.eventually("seven processes", func() bool { return len(b.inCgroup()) == 7 })
	b.ok("kill", b.id, "KILL")
	b.eventually("none", func() bool { return len(b.inCgroup()) == 0 })
}

func TestDeleteTakesTheBrood(t *testing.T) {
	b := newBox(t, "brood", "2")
	b.spec.Linux.Namespaces = b.spec.Linux.Namespaces[1:]
	b.create()
	b.ok("start", b.id)
	b.eventually("seven processes", func() bool { return len(b.inCgroup()) == 7 })
	b.must(syscall.Kill(b.state().Pid, syscall.SIGKILL))
	b.eventually("stopped", b.stopped)
	b.ok("delete", b.id)
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestOneOfManyGetsTheID(t *testing.T) {
	b := newBox(t, "wait")
	b.writeSpec()
	var wg sync.WaitGroup
	results := make([]result, 6)
	for i := range results {
		wg.Go(func() { results[i] = b.klw("create", b.id) })
	}
	wg.Wait()
	won := 0
	for _, r := range results {
		switch {
		case r.code == 0:
			won++
		case !strings.Contains(r.errOut, "already exists"):
			t.Errorf("loser says: %s", r.errOut)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d made the container", won, len(results))
	}
	b.wantStatus(specs.StateCreated)
}

func TestList(t *testing.T) {
	b := newBox(t, "wait")
	if out := b.ok("list", "-q"); out != "" {
		t.Errorf("without containers: %q", out)
	}
	b.create()
	if out := b.ok("list", "-q"); out != b.id+"\n" {
		t.Errorf("quiet: %q", out)
	}
	table := strings.Fields(b.ok("list"))
	if len(table) < 9 || table[0] != "ID" || table[6] != b.id || table[8] != "created" || table[9] != b.dir {
		t.Errorf("table: %q", table)
	}
	var list []map[string]any
	b.must(json.Unmarshal([]byte(b.ok("list", "--format", "json")), &list))
	if len(list) != 1 || list[0]["id"] != b.id || list[0]["owner"] != "root" {
		t.Errorf("json: %v", list)
	}
}

// A name with a slash can only be a bundle's folder.
func TestRunOfAFolderThatIsNotThere(t *testing.T) {
	b := newBox(t, "exit", "0")
	b.fails(1, "bundle ./nothere: no such file or directory", "run", "./nothere")
}
