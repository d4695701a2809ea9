package apps

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/internal/audit"
)

var boxes atomic.Int32

// box is the bundle of one application under one runtime.
type box struct {
	*testing.T
	id, bundle string
	runtime    []string // the command with its global flags
	guarded    bool     // by its policy
	learning   bool     // the guard refuses nothing
}

// newBox copies an application's bundle and gives it a root file system of its own.
func newBox(t *testing.T, application, runtime string) *box {
	t.Helper()
	dir := t.TempDir()
	b := &box{T: t, id: fmt.Sprintf("klwapps-%d-%d", os.Getpid(), boxes.Add(1)), guarded: runtime == "klw-runc"}
	b.bundle = filepath.Join(dir, b.id)
	b.runtime = []string{runtime, "--root", filepath.Join(dir, "state")}
	if b.guarded {
		b.runtime[0] = filepath.Join(binaries, runtime)
	}
	b.must(os.MkdirAll(b.bundle, 0o755))
	source := filepath.Join(top, "app-bundles", application)
	text, err := os.ReadFile(filepath.Join(source, "config.json"))
	b.must(err)
	var spec specs.Spec
	b.must(json.Unmarshal(text, &spec))
	spec.Root.Path = "rootfs"
	text, err = json.Marshal(&spec)
	b.must(err)
	b.must(os.WriteFile(filepath.Join(b.bundle, "config.json"), text, 0o644))
	if b.guarded {
		b.must(command("cp", filepath.Join(top, "examples/policies", application+".policy"), filepath.Join(b.bundle, "klw.policy")))
	}
	b.overlay(filepath.Join(top, "app-bundles/rootfs"))
	return b
}

// overlay puts a writable layer over what all boxes share.
func (b *box) overlay(lower string) {
	b.Helper()
	upper, work, root := b.path("upper"), b.path("work"), b.path("rootfs")
	for _, dir := range []string{upper, work, root} {
		b.must(os.Mkdir(dir, 0o755))
	}
	b.must(unix.Mount("overlay", root, "overlay", 0, "lowerdir="+lower+",upperdir="+upper+",workdir="+work))
	b.Cleanup(func() {
		if err := unix.Unmount(root, 0); err != nil {
			b.Errorf("unmount %s: %v", root, err)
		}
	})
}

// start creates and starts the container. It is deleted when the test ends.
func (b *box) start() {
	b.Helper()
	b.Cleanup(func() {
		if b.Failed() {
			logs, _ := filepath.Glob(b.path("rootfs/var/log/*/*.log"))
			for _, log := range append(logs, b.path("log")) {
				text, _ := os.ReadFile(log)
				b.Logf("%s %s:\n%s", b.runtime[0], filepath.Base(log), text)
			}
		}
		if r := b.run("delete", "-f", b.id); r.code != 0 {
			b.Errorf("delete: %s", r.out)
		}
	})
	b.again()
}

// again starts the container, at first or after end.
func (b *box) again() {
	b.Helper()
	log, err := os.OpenFile(b.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	b.must(err)
	defer log.Close()
	create := []string{"create", "--bundle", b.bundle, "--pid-file", b.path("pid")}
	if b.learning {
		create = append(create, "--learn")
	}
	for _, args := range [][]string{append(create, b.id), {"start", b.id}} {
		cmd := b.command(args...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			b.Fatalf("%s: %v: %s", args[0], err, b.read("log"))
		}
	}
}

// end asks the application to go, as a service manager would, and deletes what is left. What was learned until then
// becomes the policy for the next start.
func (b *box) end(signal string) {
	b.Helper()
	if b.learning {
		b.ok(b.ctl("policy", "learn", b.id, "--write", b.path("klw.policy")))
	}
	b.ok(b.run("kill", b.id, signal))
	b.eventually("the application has ended", func() bool {
		var s specs.State
		b.must(json.Unmarshal([]byte(b.ok(b.run("state", b.id))), &s))
		return s.Status == specs.StateStopped
	})
	b.ok(b.run("delete", b.id))
}

// result is how a program ended, and what it printed.
type result struct {
	code int
	out  string
}

func (b *box) command(args ...string) *exec.Cmd {
	return exec.Command(b.runtime[0], append(append([]string(nil), b.runtime[1:]...), args...)...)
}

func (b *box) ctl(args ...string) result {
	b.Helper()
	return b.finish(exec.Command(filepath.Join(binaries, "klwctl"), append(append([]string(nil), b.runtime[1:]...), args...)...))
}

func (b *box) run(args ...string) result {
	b.Helper()
	return b.finish(b.command(args...))
}

func (b *box) finish(cmd *exec.Cmd) result {
	b.Helper()
	timer := time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		b.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), string(out)}
}

// exec runs a program in the container as a user ("uid:gid").
func (b *box) exec(user string, args ...string) result {
	b.Helper()
	return b.run(append([]string{"exec", "--user", user, b.id}, args...)...)
}

// ok checks that a program succeeded, and gives what it printed.
func (b *box) ok(r result) string {
	b.Helper()
	if r.code != 0 {
		b.Fatalf("exit code %d: %s", r.code, r.out)
	}
	return r.out
}

func (b *box) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// path gives a file of the bundle.
func (b *box) path(name string) string { return filepath.Join(b.bundle, name) }

func (b *box) read(name string) string {
	text, err := os.ReadFile(b.path(name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// pid is the container's first process.
func (b *box) pid() string { return strings.TrimSpace(b.read("pid")) }

// eventually waits for something that comes soon by itself.
func (b *box) eventually(what string, is func() bool) {
	b.Helper()
	for deadline := time.Now().Add(120 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("after 120 s still not: %s", what)
		}
	}
}

// refusals are the events of what the guard refused.
func (b *box) refusals() (list []audit.Event) {
	b.Helper()
	out := b.ok(b.ctl("--json", "events", "--container", b.id))
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
		var e audit.Event
		b.must(dec.Decode(&e))
		if e.Decision == audit.Refused {
			list = append(list, e)
		}
	}
	return list
}
