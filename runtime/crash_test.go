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
)

// crash starts klw-runc, kills it after a while, and deletes what it had made by then.
func crash(b *box, after time.Duration, args ...string) {
	b.Helper()
	cmd := b.command(args...)
	b.must(cmd.Start())
	time.Sleep(after)
	cmd.Process.Kill()
	cmd.Wait()
	b.ok("delete", "-f", b.id)
	if left := b.leftovers(); left != nil {
		b.Fatalf("killed after %v, left: %v", after, left)
	}
}

func TestDeleteForceAfterKlwRuncWasKilled(t *testing.T) {
	b := newBox(t, "brood", "2")
	b.spec.Linux.Namespaces = b.spec.Linux.Namespaces[1:] // without a pid namespace nothing goes by itself
	b.writeSpec()
	for after := time.Duration(0); after < 30*time.Millisecond; after += 500 * time.Microsecond {
		crash(b, after, "create", b.id)
		crash(b, after, "run", b.id)
	}
}

func TestDeleteForceWhileInHooks(t *testing.T) {
	b := newBox(t, "wait")
	b.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "touch hooked; sleep 0.3"}}}}
	b.writeSpec()
	cmd := b.command("create", b.id)
	b.must(cmd.Start())
	b.eventually("in the hook", func() bool { return b.exists("hooked") })
	b.wantStatus(specs.StateCreating)
	b.fails(1, "container not running", "kill", b.id)
	cmd.Process.Kill()
	cmd.Wait()
	b.eventually("stopped", b.stopped) // klw-init goes when klw-runc does
	b.ok("delete", "-f", b.id)
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestDeleteWaitsForCreate(t *testing.T) {
	b := newBox(t, "wait")
	b.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "touch hooked; sleep 0.3"}}}}
	b.writeSpec()
	cmd := b.command("create", b.id)
	b.must(cmd.Start())
	b.eventually("in the hook", func() bool { return b.exists("hooked") })
	b.ok("delete", "-f", b.id)
	if err := cmd.Wait(); err != nil {
		t.Errorf("create: %v", err)
	}
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestDeleteForceAfterInitWasKilled(t *testing.T) {
	for _, start := range []bool{false, true} {
		b := newBox(t, "brood", "2")
		b.spec.Linux.Namespaces = b.spec.Linux.Namespaces[1:]
		b.create()
		if start {
			b.ok("start", b.id)
		}
		b.must(syscall.Kill(b.state().Pid, syscall.SIGKILL))
		b.ok("delete", "-f", b.id)
		if left := b.leftovers(); left != nil {
			t.Errorf("left: %v", left)
		}
	}
}

// A folder without a state is what a klw-runc leaves that is killed right after it made the folder.
func TestDeleteForceOfAnEmptyFolder(t *testing.T) {
	b := newBox(t, "wait")
	b.writeSpec()
	b.must(os.MkdirAll(filepath.Join(b.root, "containers", b.id), 0o700))
	b.fails(1, "already exists", "create", b.id)
	b.fails(1, "does not exist", "state", b.id)
	b.ok("delete", "-f", b.id)
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A process number that has come to another process is not the container's.
func TestReusedNumberIsNotTheContainer(t *testing.T) {
	b := newBox(t, "wait")
	b.create()
	b.must(syscall.Kill(b.state().Pid, syscall.SIGKILL))
	b.eventually("stopped", b.stopped)
	path := filepath.Join(b.root, "containers", b.id, "state.json")
	text, err := os.ReadFile(path)
	b.must(err)
	_, rest, _ := strings.Cut(string(text), `"init":{"pid":`)
	pid, _, _ := strings.Cut(rest, ",")
	mine := strconv.Itoa(os.Getpid())
	b.must(os.WriteFile(path, []byte(strings.Replace(string(text), `"init":{"pid":`+pid, `"init":{"pid":`+mine, 1)), 0o600))
	b.wantStatus(specs.StateStopped)
	b.fails(1, "container not running", "kill", b.id, "KILL")
	b.ok("delete", "-f", b.id) // we are still here
}

func TestDeleteForceAfterDeleteWasKilled(t *testing.T) {
	b := newBox(t, "brood", "2")
	b.spec.Linux.Namespaces = b.spec.Linux.Namespaces[1:]
	for after := time.Duration(0); after < 12*time.Millisecond; after += time.Millisecond {
		b.create()
		b.ok("start", b.id)
		crash(b, after, "delete", "-f", b.id)
	}
}

func TestDeleteForceEndsACreateThatHangsInAHook(t *testing.T) {
	b := newBox(t, "wait")
	begun := filepath.Join(b.dir, "begun")
	b.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh",
		Args: []string{"sh", "-c", "echo >" + begun + "; exec sleep 7"}}}}
	b.writeSpec()
	cmd := b.command("create", b.id)
	b.must(cmd.Start())
	defer cmd.Wait()
	b.eventually("the hook runs", func() bool { return b.exists("begun") })
	b.ok("delete", "-f", b.id)
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}
