package launch_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/runtime/launch"
)

// stay starts a container that runs until the test ends.
func (b *box) stay() *launch.Init {
	b.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	b.spec.Process.Args = []string{"/probe", "stay"}
	b.opt.Stdin = r
	i, err := b.start()
	if err != nil {
		b.t.Fatal(err)
	}
	r.Close()
	b.t.Cleanup(func() {
		w.Close()
		if _, err := i.Wait(); err != nil {
			b.t.Error(err)
		}
		i.Close()
	})
	return i
}

// inside makes an exec into a running container.
func (b *box) inside(i *launch.Init, probes ...string) *box {
	e := &box{t: b.t, dir: b.t.TempDir(), spec: &specs.Spec{Process: &specs.Process{
		Args: append([]string{"/probe"}, probes...), Cwd: "/", Env: []string{"PATH=/", "WHERE=inside"}}}}
	e.config = &launch.Config{Spec: e.spec, ID: "box", Exec: true}
	e.opt = launch.Options{Config: e.config, Binary: binary, JoinPID: i.PID()}
	return e
}

func TestExec(t *testing.T) {
	b := newBox(t)
	i := b.stay()
	e := b.inside(i, "hostname", "env:WHERE", "ls:/", "status:NSpid", "fds", "ids", "status:CapBnd")
	e.spec.Process.User = specs.User{UID: 5, GID: 6, AdditionalGids: []uint32{7}}
	got, err := e.run()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 7 {
		t.Fatalf("got %q", got)
	}
	if pid := got[3]; strings.Contains(pid, "\t") || pid == "1" {
		t.Errorf("NSpid is %q, expected a single small number: the pid namespace's", pid)
	}
	got[3] = ""
	if want := []string{"box", "inside", "dev etc probe proc sys tmp", "", "0 1 2", "5 6 [7]", "0000000000000000"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}

// TestExecIsUnseen: while klw-init prepares, nothing in the container sees a process of ours.
func TestExecIsUnseen(t *testing.T) {
	b := newBox(t)
	i := b.stay()
	e := b.inside(i, "pid")
	p, err := launch.Start(e.opt)
	if err != nil {
		t.Fatal(err)
	}
	seen := b.inside(i, "glob:/proc/[0-9]*")
	got, err := seen.run()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Fields(got[0])); n != 2 {
		t.Errorf("the container sees %s, expected its first process and the probe only", got[0])
	}
	before := p.PID()
	if err := p.Go(); err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(); err != nil {
		t.Fatal(err)
	}
	if p.PID() == before {
		t.Error("PID is still klw-init's after Ready")
	}
	if code, err := p.Wait(); err != nil || code != 0 {
		t.Errorf("exit %d, %v", code, err)
	}
	p.Close()
}

func TestExecErrors(t *testing.T) {
	b := newBox(t)
	if err := os.WriteFile(b.root("plain"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.root("broken"), []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	i := b.stay()
	for args, want := range map[string]string{
		"missing":  `exec: "missing": executable file not found in $PATH`,
		"/missing": `exec: "/missing": no such file or directory`,
		"/plain":   `exec: "/plain": permission denied`,
		"plain":    `exec: "plain": permission denied`,
		"/tmp":     `exec: "/tmp": is a directory`,
		"/broken":  `exec /broken: exec format error`,
	} {
		for kind, one := range map[string]*box{"exec": b.inside(i), "run": newBox(t)} {
			one.spec.Process.Args = []string{args}
			if kind == "run" {
				one.spec.Root.Path = b.root("")
			}
			if _, err := one.run(); err == nil || err.Error() != want {
				t.Errorf("%s of %s: %v, expected %s", kind, args, err, want)
			}
		}
	}
}

func TestWorkingDirectory(t *testing.T) {
	for cwd, want := range map[string]string{
		"/proc/self/fd/3": "working directory", "/proc/1/cwd": "working directory", "/probe": "working directory",
	} {
		b := newBox(t, "cwd")
		b.spec.Process.Cwd = cwd
		if _, err := b.run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected an error about the %s", cwd, err, want)
		}
	}
	b := newBox(t, "cwd")
	b.spec.Process.Cwd = "/missing"
	b.expect("/missing")
	e := b.inside(b.stay(), "cwd")
	e.spec.Process.Cwd = "/not/there"
	if _, err := e.run(); err == nil || !strings.Contains(err.Error(), "working directory") {
		t.Errorf("exec in a missing directory: %v", err)
	}
}
