package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/audit"
	"klw/internal/handshake"
	"klw/internal/layout"
	"klw/netguard/link"
)

// The programs together, nothing in between: klw-runc, klw-init, klw-guard and klwctl on a tiny bundle.

const smokePolicy = `application smoke
@general
file /       read execute
file /secret none
`

// bin holds the programs, and probe; built once.
var bin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "klw-smoke")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	bin = dir
	build := exec.Command("go", "build", "-o", bin+"/", "klw/cmd/klw-runc", "klw/cmd/klw-init", "klw/cmd/klw-guard",
		"klw/cmd/klwctl", "klw/cmd/klw-guard/testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		log.Printf("%v: %s", err, out)
		return 1
	}
	return m.Run()
}

// smoke is a bundle.
type smoke struct {
	t            *testing.T
	root, bundle string
	id           string
}

func newSmoke(t *testing.T) *smoke {
	t.Helper()
	s := &smoke{t: t, root: t.TempDir(), bundle: t.TempDir(), id: fmt.Sprintf("smoke%d_%d", os.Getpid(), time.Now().UnixNano()%1e6)}
	for _, dir := range []string{"secret", "proc", "dev", "sys"} {
		s.must(os.MkdirAll(filepath.Join(s.bundle, "rootfs", dir), 0o755))
	}
	probe, err := os.ReadFile(filepath.Join(bin, "probe"))
	s.must(err)
	s.must(os.WriteFile(filepath.Join(s.bundle, "rootfs", "probe"), probe, 0o755))
	for name, text := range map[string]string{"rootfs/open": "o", "rootfs/secret/key": "k", "klw.policy": smokePolicy} {
		s.must(os.WriteFile(filepath.Join(s.bundle, name), []byte(text), 0o644))
	}
	spec := exec.Command(filepath.Join(bin, "klw-runc"), "spec")
	spec.Dir = s.bundle
	s.must(spec.Run())
	t.Cleanup(func() { s.run("klw-runc", "delete", "-f", s.id) })
	return s
}

func (s *smoke) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// application says what the container runs.
func (s *smoke) application(args ...string) {
	s.t.Helper()
	name := filepath.Join(s.bundle, "config.json")
	text, err := os.ReadFile(name)
	s.must(err)
	var config map[string]any
	s.must(json.Unmarshal(text, &config))
	process := config["process"].(map[string]any)
	process["args"], process["terminal"] = append([]string{"/probe"}, args...), false
	text, err = json.Marshal(config)
	s.must(err)
	s.must(os.WriteFile(name, text, 0o644))
}

// run runs a program in the bundle and gives what it printed and its exit code.
func (s *smoke) run(program string, args ...string) (string, int) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(bin, program), append([]string{"--root", s.root}, args...)...)
	cmd.Dir = s.bundle
	out, err := os.Create(filepath.Join(s.t.TempDir(), "out")) // not a pipe: a detached container would hold it
	s.must(err)
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	s.must(err)
	return string(text), cmd.ProcessState.ExitCode()
}

func (s *smoke) refused() (list []string) {
	s.t.Helper()
	s.must(audit.Read(layout.Root(s.root).Events(), s.id, time.Time{}, func(e audit.Event) error {
		if e.Decision == audit.Refused {
			list = append(list, fmt.Sprint(e.Operation, " ", e.Path, " ", e.Comm, " ", e.Rule, " ", e.Errno, " ", e.Count))
		}
		return nil
	}))
	return list
}

// nothingLeft looks at everything that a container or its guard makes.
func (s *smoke) nothingLeft() {
	s.t.Helper()
	if _, err := os.Stat(string(layout.Root(s.root).Container(s.id))); !errors.Is(err, os.ErrNotExist) {
		s.t.Errorf("state: %v", err)
	}
	for _, pattern := range []string{"/sys/fs/cgroup/*/klw*/" + s.id, "/sys/fs/cgroup/klw*/" + s.id} {
		if left, _ := filepath.Glob(pattern); left != nil {
			s.t.Errorf("cgroups: %v", left)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	s.must(err)
	if strings.Contains(string(mounts), s.bundle) || strings.Contains(string(mounts), s.id) {
		s.t.Errorf("mounts:\n%s", mounts)
	}
	_, veth := link.Names(s.id)
	if _, err := net.InterfaceByName(veth); err == nil {
		s.t.Errorf("interface %s", veth)
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, p := range processes {
		if exe, _ := os.Readlink(p); strings.HasPrefix(exe, bin) {
			s.t.Errorf("process %s: %s", p, exe)
		}
	}
}

func TestARefusedReadGivesOneEvent(t *testing.T) {
	s := newSmoke(t)
	s.application("/open", "/secret/key")
	if out, code := s.run("klw-runc", "run", s.id); out != "/open \n/secret/key EACCES\n" || code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	want := "open /secret/key probe klw.policy:4 EACCES 1"
	if got := s.refused(); len(got) != 1 || got[0] != want {
		t.Errorf("events %q, want %q", got, want)
	}
	if out, code := s.run("klwctl", "events", "--container", s.id); code != 0 || strings.Count(out, "REFUSED") != 1 {
		t.Errorf("klwctl events: exit code %d\n%s", code, out)
	}
	s.nothingLeft()
}

func TestNothingIsLeftOfAKilledGuard(t *testing.T) {
	s := newSmoke(t)
	s.application("wait")
	if out, code := s.run("klw-runc", "run", "-d", s.id); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	text, err := os.ReadFile(layout.Root(s.root).Container(s.id).Guard())
	s.must(err)
	var traces handshake.Traces
	s.must(json.Unmarshal(text, &traces))
	s.must(unix.Kill(traces.Guard.PID, unix.SIGKILL))
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := traces.Guard.Open(); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the guard lives on")
		}
	}
	if out, code := s.run("klwctl", "status", s.id); code != 4 {
		t.Errorf("klwctl status: exit code %d\n%s", code, out)
	}
	for range 2 {
		if out, code := s.run("klw-runc", "delete", "-f", s.id); code != 0 {
			t.Errorf("delete: exit code %d: %s", code, out)
		}
		s.nothingLeft()
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"nothing"}, {"cleanup"}, {"cleanup", "a", "b"}, {"cleanup", "--nothing", "a"}} {
		err := exec.Command(filepath.Join(bin, "klw-guard"), args...).Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("klw-guard %v: %v", args, err)
		}
	}
	s := &smoke{t: t, root: t.TempDir(), bundle: t.TempDir()}
	if out, code := s.run("klwctl", "status"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, err := exec.Command(filepath.Join(bin, "klw-guard"), "cleanup", "--root", s.root, "none").CombinedOutput(); err != nil {
		t.Errorf("nothing to clean up: %v: %s", err, out)
	}
	if out, err := exec.Command(filepath.Join(bin, "klw-guard"), "serve").CombinedOutput(); err == nil || !strings.Contains(string(out), "klw-runc") {
		t.Errorf("serve by hand: %v: %s", err, out)
	}
}
