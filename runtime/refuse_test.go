package runtime_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestBadInputLeavesNothing(t *testing.T) {
	b := newBox(t, "exit", "0")
	b.fails(1, "config.json is missing: no such file or directory", "run", b.id)
	b.fails(1, "config.json is missing: no such file or directory", "create", "-b", b.root, b.id)
	b.writeSpec()
	b.fails(1, "bundle ../x: no such file or directory", "run", "../x")
	b.fails(1, "invalid container id", "create", "../x")
	b.fails(1, "invalid container id", "run", ".x")
	b.fails(1, "invalid container id", "create", strings.Repeat("x", 201))
	b.fails(1, "the container's id is empty", "run", "")
	b.fails(1, "needs one argument", "run")
	b.fails(1, "needs one argument", "create", "a", "b")
	b.fails(1, "--console-socket is for a detached process with process.terminal", "run", "--console-socket", "x", "-d", b.id)
	b.fails(1, "flag provided but not defined: -nosuch", "run", "--nosuch", b.id)
	b.fails(1, "unknown command", "nosuch")
	b.fails(1, "--systemd-cgroup is not supported", "--systemd-cgroup", "run", b.id)
	b.fails(1, "--rootless true is not supported", "--rootless", "true", "run", b.id)
	b.fails(1, "unknown signal", "kill", b.id, "SIGNOSUCH")
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestBadConfigNamesThePlace(t *testing.T) {
	b := newBox(t)
	b.file("config.json", "{\n \"ociVersion\": 1.0\n}")
	b.fails(1, "config.json:2:18: ociVersion is a number, expected a string", "run", b.id)
	b.spec.Linux.CgroupsPath = "/"
	b.spec.Process.Args = []string{"/app", "exit", "0"}
	b.writeSpec()
	b.fails(1, "linux.cgroupsPath", "run", b.id)
	b.spec.Linux.CgroupsPath = ""
	b.spec.Mounts[0].Type = "nosuchfs"
	b.writeSpec()
	b.fails(1, "nosuchfs", "run", b.id)
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A klw-runc alone in its folder finds no klw-init.
func TestMissingInit(t *testing.T) {
	b := newBox(t, "exit", "0")
	b.writeSpec()
	alone := t.TempDir()
	b.must(os.Link(filepath.Join(binaries, "klw-runc"), filepath.Join(alone, "klw-runc")))
	cmd := exec.Command(filepath.Join(alone, "klw-runc"), "--root", b.root, "run", b.id)
	cmd.Dir, cmd.Env = b.dir, []string{"PATH=/usr/bin:/bin"}
	if r := b.finish(cmd); r.code != 1 || !strings.Contains(r.errOut, "klw-init") || strings.Count(r.errOut, "\n") != 1 {
		t.Errorf("exit code %d, %s", r.code, r.errOut)
	}
	b.file("klw.policy", "application x\n")
	cmd = exec.Command(filepath.Join(alone, "klw-runc"), "--root", b.root, "run", b.id)
	cmd.Dir, cmd.Env = b.dir, []string{"PATH=/usr/bin:/bin"}
	if r := b.finish(cmd); r.code != 1 || !strings.Contains(r.errOut, "klw-guard") || strings.Count(r.errOut, "\n") != 1 {
		t.Errorf("exit code %d, %s", r.code, r.errOut)
	}
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestLogAsEnginesReadIt(t *testing.T) {
	b := newBox(t, "exit", "0")
	log := filepath.Join(b.dir, "log.json")
	r := b.klw("--log", log, "--log-format", "json", "run", b.id)
	text, err := os.ReadFile(log)
	b.must(err)
	var line struct{ Level, Msg, Time string }
	b.must(json.Unmarshal(text, &line))
	if line.Level != "error" || !strings.Contains(line.Msg, "config.json is missing") || line.Time == "" {
		t.Errorf("log: %s", text)
	}
	if !strings.Contains(r.errOut, "config.json is missing") {
		t.Errorf("standard error: %s", r.errOut)
	}
}

func TestVersionAsEnginesReadIt(t *testing.T) {
	b := newBox(t)
	if out := b.ok("--version"); !strings.HasPrefix(out, "runc version klw-") || !strings.Contains(out, "\nspec: 1.") {
		t.Errorf("got %q", out)
	}
}

func TestSpecAndFeatures(t *testing.T) {
	b := newBox(t)
	dir := t.TempDir()
	b.ok("spec", "-b", dir)
	b.fails(1, "exists already", "spec", "-b", dir)
	var f struct {
		OCIVersionMax string
		Hooks         []string
		Linux         struct {
			Namespaces, Capabilities []string
			Seccomp                  struct{ Actions []string }
		}
	}
	b.must(json.Unmarshal([]byte(b.ok("features")), &f))
	if f.OCIVersionMax == "" || len(f.Hooks) != 6 || len(f.Linux.Namespaces) != 8 || len(f.Linux.Capabilities) < 40 || len(f.Linux.Seccomp.Actions) == 0 {
		t.Errorf("features: %+v", f)
	}
}

// Every mount option that features names is known: it is not passed on to the file system, which would refuse it.
func TestMountOptionsOfFeatures(t *testing.T) {
	b := newBox(t, "exit", "0")
	var f struct{ MountOptions []string }
	b.must(json.Unmarshal([]byte(b.ok("features")), &f))
	if len(f.MountOptions) < 50 {
		t.Fatalf("only %v", f.MountOptions)
	}
	base := b.spec.Mounts
	for _, option := range f.MountOptions {
		m := specs.Mount{Destination: "/data", Type: "tmpfs", Source: "tmpfs", Options: []string{option}}
		switch option {
		case "idmap", "ridmap":
			continue // need mappings
		case "bind", "rbind":
			m.Source = "rootfs/tmp"
		}
		b.spec.Mounts = append(base[:len(base):len(base)], m)
		b.writeSpec()
		if r := b.klw("run", b.id); r.code != 0 {
			t.Errorf("%s: %s", option, r.errOut)
		}
	}
}
