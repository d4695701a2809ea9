package runtime_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/layout"
)

func TestDeleteForceAfterGuardWasKilled(t *testing.T) {
	for _, start := range []bool{false, true} {
		b := guarded(t, "brood", "2")
		b.create()
		if start {
			b.ok("start", b.id)
		}
		b.must(syscall.Kill(b.guard().PID, syscall.SIGKILL))
		b.ok("delete", "-f", b.id)
		if left := b.leftovers(); left != nil {
			t.Errorf("left: %v", left)
		}
	}
}

// A stopped guard answers nothing: processes in the view hang, and must go all the same.
func TestDeleteForceWithHungGuard(t *testing.T) {
	b := guarded(t, "wait")
	b.create()
	b.ok("start", b.id)
	b.must(syscall.Kill(b.guard().PID, syscall.SIGSTOP))
	cmd := b.command("exec", b.id, "/app", "cat", "/etc/passwd")
	b.must(cmd.Start())
	time.Sleep(100 * time.Millisecond)
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	cmd.Process.Kill()
	b.ok("delete", "-f", b.id)
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestDeleteForceAfterGuardedKlwRuncWasKilled(t *testing.T) {
	b := guarded(t, "brood", "1")
	for after := time.Duration(0); after < 60*time.Millisecond; after += 3 * time.Millisecond {
		crash(b, after, "create", b.id)
		crash(b, after, "run", b.id)
	}
}

// Without a policy there is no guard and nothing of one.
func TestNoPolicyNoGuard(t *testing.T) {
	b := newBox(t, "cat", "/proc/self/status")
	b.writeSpec()
	out := b.ok("run", b.id)
	if !strings.Contains(out, "Seccomp:\t0") {
		t.Error("a seccomp filter without a policy and without one in the bundle")
	}
	if _, err := os.Stat(layout.Root(b.root).Lib()); err == nil {
		t.Error("events are kept without a policy")
	}
}

// withAll is a guarded container that has all that a guard can make: views, programs, a link, a published port, a
// replica.
func withAll(t *testing.T, args ...string) *box {
	t.Helper()
	b := newBox(t, args...)
	b.must(os.Mkdir(filepath.Join(b.dir, "site"), 0o755))
	b.must(os.Mkdir(filepath.Join(b.dir, "backup"), 0o755))
	b.file("site/page", "text")
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/data", Source: "site", Options: []string{"rbind"}})
	b.file("klw.policy", strings.Replace(testPolicy, "@general", "publish tcp 127.0.0.1:"+strconv.Itoa(20000+os.Getpid()%10000)+" -> 80\n@general", 1)+
		"@replicate\n/data -> backup\n")
	b.writeSpec()
	return b
}

func TestGuardWithAllItCanMake(t *testing.T) {
	b := withAll(t, "wait")
	b.create()
	b.ok("start", b.id)
	b.ok("exec", b.id, "/app", "hook", "/data/new", "name")
	b.eventually("replicated", func() bool { return b.exists("backup/page") && b.exists("backup/new") })
	b.ok("kill", b.id, "TERM")
	b.eventually("stopped", b.stopped)
	b.ok("delete", b.id)
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
	if !b.exists("site/new") {
		t.Error("the source lost what was written")
	}
}

func TestDeleteForceAfterAnyProcessWasKilled(t *testing.T) {
	for _, program := range []string{"klw-guard", "klw-replicafs", "klw-replica"} {
		t.Run(program, func(t *testing.T) {
			b := withAll(t, "wait")
			b.create()
			b.ok("start", b.id)
			killed := false
			group, err := os.ReadFile("/sys/fs/cgroup/unified/klw-guard/" + b.id + "/cgroup.procs")
			b.must(err)
			for _, text := range strings.Fields(string(group)) {
				if strings.HasPrefix(look(b, text, "comm"), program+"\n") {
					pid, _ := strconv.Atoi(text)
					b.must(syscall.Kill(pid, syscall.SIGKILL))
					killed = true
				}
			}
			if !killed {
				t.Fatalf("no %s among %s", program, group)
			}
			b.ok("delete", "-f", b.id)
			if left := b.leftovers(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestDeleteForceOfAllAfterKlwRuncWasKilled(t *testing.T) {
	b := withAll(t, "wait")
	for after := 5 * time.Millisecond; after < 150*time.Millisecond; after += 9 * time.Millisecond {
		crash(b, after, "run", b.id)
	}
}

// Nothing is executed without the guard, and the reason has none of the words by which engines know a missing program.
func TestNoExecWithoutTheGuard(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		b := guarded(t, "wait")
		b.create()
		b.ok("start", b.id)
		pid := b.guard().PID
		b.must(syscall.Kill(pid, signal))
		b.eventually("the guard has ended", func() bool {
			stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			return err != nil || strings.Contains(string(stat), ") Z ")
		})
		r := b.klw("exec", b.id, "/app", "hook", "/data/ran", "name")
		if r.code != 255 || !strings.Contains(r.errOut, "guard has ended") || strings.Contains(r.errOut, "no such file") {
			t.Errorf("%v: exit code %d, %s", signal, r.code, r.errOut)
		}
		if b.exists("rootfs/data/ran") {
			t.Errorf("%v: it was executed", signal)
		}
	}
}

func TestExecOfADyingContainer(t *testing.T) {
	b := newBox(t, "wait")
	b.create()
	b.ok("start", b.id)
	// A process beside the first one that nobody reaps for now: the first one waits for it, and is not yet a zombie.
	other := b.command("exec", "-d", "--pid-file", filepath.Join(b.dir, "other"), b.id, "/app", "wait")
	if r := b.finish(other); r.code != 0 {
		t.Fatal(r.errOut)
	}
	b.ok("kill", b.id, "KILL")
	r := b.klw("exec", b.id, "/app", "exit", "0")
	if r.code != 255 || strings.Contains(r.errOut, "no such file") {
		t.Errorf("exit code %d, %s", r.code, r.errOut)
	}
}
