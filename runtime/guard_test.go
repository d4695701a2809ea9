package runtime_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/bundle"
	"klw/internal/handshake"
	"klw/internal/layout"
)

const testPolicy = `application test
users root www
@general
file / read execute
file /data read write
file /etc/passwd none
socket tcp listen :80
`

func guarded(t *testing.T, args ...string) *box {
	t.Helper()
	b := newBox(t, args...)
	b.file("klw.policy", testPolicy)
	b.writeSpec()
	return b
}

func (b *box) guard() handshake.Process {
	b.Helper()
	text, err := os.ReadFile(layout.Root(b.root).Container(b.id).State())
	b.must(err)
	var s struct{ Guard *handshake.Process }
	b.must(json.Unmarshal(text, &s))
	if s.Guard == nil {
		b.Fatal("the state knows no guard")
	}
	return *s.Guard
}

func (b *box) events() string {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(layout.Root(b.root).Events(), b.id+".jsonl"))
	b.must(err)
	return string(text)
}

func TestPolicyIsInForce(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		code int
	}{
		{"read what is allowed", []string{"cat", "/app"}, 0},
		{"read what is refused", []string{"cat", "/etc/passwd"}, 1},
		{"write where it is allowed", []string{"hook", "/data/x", "name"}, 0},
		{"write where it is refused", []string{"hook", "/tmp/x", "name"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := guarded(t, c.args...)
			if r := b.klw("run", b.id); r.code != c.code || c.code != 0 && !strings.Contains(r.errOut, "permission denied") {
				t.Errorf("exit code %d, want %d; %s", r.code, c.code, r.errOut)
			}
			if c.code != 0 && !strings.Contains(b.events(), `"decision":"refused"`) {
				t.Errorf("no event: %s", b.events())
			}
			if left := b.leftovers(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestGuardedLifeCycle(t *testing.T) {
	b := guarded(t, "wait")
	b.create()
	b.wantStatus(specs.StateCreated)
	g := b.guard()
	b.ok("start", b.id)
	b.wantStatus(specs.StateRunning)
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{b.id, "/app", "cat", "/app"}, 0},
		{[]string{b.id, "/app", "cat", "/etc/passwd"}, 1},
		{[]string{"-u", "33", b.id, "/app", "show", "ids"}, 0},
		{[]string{"-u", "34", b.id, "/app", "show", "ids"}, 255},
	} {
		if r := b.klw(append([]string{"exec"}, c.args...)...); r.code != c.code {
			t.Errorf("exec %v: exit code %d, want %d; %s", c.args, r.code, c.code, r.errOut)
		}
	}
	b.fails(255, "klw.policy:2 allows root www", "exec", "-u", "34", b.id, "/app", "show")
	b.ok("kill", b.id, "TERM")
	b.eventually("stopped", b.stopped)
	b.eventually("the guard ends with the last process", func() bool { _, err := g.Open(); return err != nil })
	b.ok("delete", b.id)
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// The guard must not hold what an engine waits for: its pipes, its session, its cgroup, the container's cgroup.
func TestGuardIsOnItsOwn(t *testing.T) {
	b := guarded(t, "wait")
	r, w, err := os.Pipe()
	b.must(err)
	cmd := b.command("create", b.id)
	cmd.ExtraFiles = []*os.File{w}
	b.must(cmd.Start())
	b.must(cmd.Wait())
	w.Close()
	r.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := r.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("a descriptor of the caller is still open: %v", err)
	}
	pid := strconv.Itoa(b.guard().PID)
	if groups := look(b, pid, "cgroup"); !strings.Contains(groups, "0::/klw-guard/"+b.id) {
		t.Errorf("guard's cgroups: %s", groups)
	}
	stat := strings.Fields(look(b, pid, "stat"))
	if stat[5] != pid {
		t.Errorf("guard's session is %s, its pid %s", stat[5], pid)
	}
	entries, err := os.ReadDir(filepath.Join("/proc", pid, "fd"))
	b.must(err)
	for _, e := range entries {
		target, _ := os.Readlink(filepath.Join("/proc", pid, "fd", e.Name()))
		if n, _ := strconv.Atoi(e.Name()); n < 3 && target != "/dev/null" && target != layoutLog(b) {
			t.Errorf("guard's descriptor %d is %s", n, target)
		}
	}
}

func layoutLog(b *box) string { return layout.Root(b.root).Container(b.id).GuardLog() }

// What the bundle leaves open is closed: writable proc, sys and cgroup, set-user-ID, new privileges.
func TestPolicyConfines(t *testing.T) {
	b := guarded(t, "cat", "/proc/self/mountinfo", "/proc/self/status")
	b.spec.Linux.MaskedPaths, b.spec.Linux.ReadonlyPaths = nil, nil
	b.spec.Process.NoNewPrivileges = false
	for i := range b.spec.Mounts {
		m := &b.spec.Mounts[i]
		m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return o == "ro" || o == "nosuid" })
	}
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/data", Type: "bind", Source: "rootfs/tmp", Options: []string{"bind", "suid"}})
	b.writeSpec()
	r := b.klw("run", b.id)
	if r.code != 0 {
		t.Fatalf("exit code %d, %s", r.code, r.errOut)
	}
	if !strings.Contains(r.out, "NoNewPrivs:\t1") || !strings.Contains(r.out, "Seccomp:\t2") {
		t.Errorf("status: %s", r.out[strings.Index(r.out, "CapInh"):])
	}
	options := map[string]string{}
	for line := range strings.Lines(r.out) {
		if f := strings.Fields(line); len(f) > 9 && strings.HasPrefix(f[4], "/") {
			options[f[4]] = f[5]
		}
	}
	for _, path := range []string{"/sys", "/sys/fs/cgroup", "/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs"} {
		if !strings.HasPrefix(options[path], "ro,") {
			t.Errorf("%s: %q, want read-only", path, options[path])
		}
	}
	for _, path := range []string{"/", "/data", "/dev", "/proc", "/sys"} {
		if !strings.Contains(options[path], "nosuid") {
			t.Errorf("%s: %q, want nosuid", path, options[path])
		}
	}
	for _, path := range []string{"/proc/keys", "/proc/kallsyms", "/sys/firmware"} {
		if options[path] == "" {
			t.Errorf("%s is not masked", path)
		}
	}
}

func TestPolicyRefuses(t *testing.T) {
	drop := func(kind specs.LinuxNamespaceType) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
		}
	}
	mount := func(m specs.Mount) func(*specs.Spec) { return func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) } }
	for text, change := range map[string]func(*specs.Spec){
		"new pid namespace":    drop(specs.PIDNamespace),
		"host's ipc namespace": drop(specs.IPCNamespace),
		"a new mount namespace of its own": func(s *specs.Spec) {
			bundle.Namespace(s, specs.MountNamespace).Path = "/proc/self/ns/mnt"
		},
		"a new pid namespace of its own": func(s *specs.Spec) { // another container's, less guarded perhaps, or the host's
			bundle.Namespace(s, specs.PIDNamespace).Path = "/proc/self/ns/pid"
		},
		`a mount of type "debugfs"`:     mount(specs.Mount{Destination: "/data", Type: "debugfs", Source: "debugfs"}),
		`a mount of type "tracefs"`:     mount(specs.Mount{Destination: "/data", Type: "tracefs", Source: "tracefs"}),
		`a mount of type "securityfs"`:  mount(specs.Mount{Destination: "/data", Type: "securityfs", Source: "securityfs"}),
		`a mount of type "bpf"`:         mount(specs.Mount{Destination: "/data", Type: "bpf", Source: "bpf"}),
		`a mount of type "binder"`:      mount(specs.Mount{Destination: "/data", Type: "binder", Source: "binder"}),
		`a mount of type "devtmpfs"`:    mount(specs.Mount{Destination: "/data", Type: "devtmpfs", Source: "devtmpfs"}),
		`a mount of type "configfs"`:    mount(specs.Mount{Destination: "/data", Type: "configfs", Source: "configfs"}),
		`a mount of type "binfmt_misc"`: mount(specs.Mount{Destination: "/data", Type: "binfmt_misc", Source: "binfmt_misc"}),
		"a user namespace can't be entered by its path": func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/1/ns/user"})
		},
		"would bypass the policy":  mount(specs.Mount{Destination: "/data", Type: "ext4", Source: "/dev/sda1"}),
		"type \"overlay\"":         mount(specs.Mount{Destination: "/data", Type: "overlay", Source: "overlay"}),
		"can be bound once":        mount(specs.Mount{Destination: "//", Type: "bind", Source: "/", Options: []string{"bind"}}),
		"id-mapped mounts are not": mount(specs.Mount{Destination: "/data", Type: "bind", Source: "/tmp", Options: []string{"bind", "idmap"}}),
		"linux.seccomp.listenerPath": func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/run/x"}
		},
		"user 34 may not run this application": func(s *specs.Spec) { s.Process.User.UID = 34 },
	} {
		t.Run(text, func(t *testing.T) {
			b := guarded(t, "exit", "0")
			change(b.spec)
			b.writeSpec()
			b.fails(1, text, "run", b.id)
			if left := b.leftovers(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestBadPolicyMakesNothing(t *testing.T) {
	b := guarded(t, "exit", "0")
	b.file("klw.policy", "application test\n@general\nfile /srv raed\nsocket tcp listen 80\n")
	r := b.klw("run", b.id)
	for _, text := range []string{"klw.policy:3:11: unknown permission", "klw.policy:4:19: "} {
		if r.code != 1 || !strings.Contains(r.errOut, text) {
			t.Errorf("exit code %d, want 1 and %q in:\n%s", r.code, text, r.errOut)
		}
	}
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A startContainer hook is one of the container's programs: it, and what it leaves behind, is under klw's filter.
func TestStartContainerHooksAreUnderTheFilter(t *testing.T) {
	b := guarded(t, "exit", "0")
	b.spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/app", Args: []string{"app", "save", "/proc/self/status", "/data/status"}}}}
	b.writeSpec()
	b.ok("run", b.id)
	text, err := os.ReadFile(filepath.Join(b.dir, "rootfs/data/status"))
	b.must(err)
	if !strings.Contains(string(text), "Seccomp:\t2") {
		t.Errorf("no filter is in force:\n%s", text)
	}
}
