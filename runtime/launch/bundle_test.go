package launch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/runtime/launch"
)

// box is a bundle whose root file system holds the probe and nothing else.
type box struct {
	t      testing.TB
	dir    string
	spec   *specs.Spec
	config *launch.Config
	opt    launch.Options
}

func newBox(t testing.TB, probes ...string) *box {
	t.Helper()
	dir, err := os.MkdirTemp("", "klw-box-") // testing's own can't be passed by others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "rootfs")
	for _, d := range []string{"proc", "dev", "sys", "tmp", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self, filepath.Join(root, "probe")); err != nil {
		b, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "probe"), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := &specs.Spec{
		Version:  specs.Version,
		Root:     &specs.Root{Path: "rootfs"},
		Hostname: "box",
		Process:  &specs.Process{Args: append([]string{"/probe"}, probes...), Cwd: "/", Env: []string{"PATH=/"}},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
			{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
		}},
	}
	c := &launch.Config{Spec: s, Bundle: dir, ID: "box"}
	return &box{t: t, dir: dir, spec: s, config: c, opt: launch.Options{Config: c, Binary: binary}}
}

func (b *box) root(name string) string { return filepath.Join(b.dir, "rootfs", name) }

func (b *box) mount(m specs.Mount) { b.spec.Mounts = append(b.spec.Mounts, m) }

// run runs the container to its end and gives the lines it wrote.
func (b *box) run() ([]string, error) {
	b.t.Helper()
	out, err := os.CreateTemp(b.dir, "out")
	if err != nil {
		b.t.Fatal(err)
	}
	defer out.Close()
	b.opt.Stdout, b.opt.Stderr = out, out
	i, err := b.start()
	b.opt.Stdout, b.opt.Stderr = nil, nil
	if err != nil {
		return nil, err
	}
	defer i.Close()
	if _, err := i.Wait(); err != nil {
		b.t.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(text), "\n"), "\n"), nil
}

// start brings the container to the point where the process runs, or stands at the fifo.
func (b *box) start() (*launch.Init, error) {
	b.t.Helper()
	i, err := launch.Start(b.opt)
	if err != nil {
		return nil, err
	}
	steps := []func() error{i.Go, i.Mounted, i.Continue, i.Ready}
	if b.config.Exec {
		steps = []func() error{i.Go, i.Ready}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			if killErr := i.Kill(); killErr != nil {
				b.t.Error(killErr)
			}
			return nil, err
		}
	}
	return i, nil
}

// expect runs the container and compares what the probes say.
func (b *box) expect(want ...string) {
	b.t.Helper()
	got, err := b.run()
	if err != nil {
		b.t.Fatal(err)
	}
	if len(got) != len(want) {
		b.t.Fatalf("got %q, expected %q", got, want)
	}
	for n := range want {
		if got[n] != want[n] {
			b.t.Errorf("probe %d (%s): got %q, expected %q", n, b.spec.Process.Args[n+1], got[n], want[n])
		}
	}
}
