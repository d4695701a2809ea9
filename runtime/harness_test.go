package runtime_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/bundle"
	"klw/netguard/link"
)

// binaries is the folder of the programs under test: klw finds its parts beside klw-runc.
var binaries string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "klw-runtime-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binaries = dir
	build := exec.Command("go", "build", "-o", dir+"/", "klw/cmd/klw-runc", "klw/cmd/klw-init", "klw/cmd/klw-guard",
		"klw/cmd/klw-replicafs", "klw/cmd/klw-replica", "klw/runtime/testapp")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("building what is tested: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

var boxes atomic.Int32

// box is a container of a test: a bundle, a root of its own and an id. When the test ends nothing of it may be left.
type box struct {
	*testing.T
	id, dir, root string
	spec          *specs.Spec
}

// newBox makes a bundle whose root file system is the test program as /app. The test may change spec before it writes.
func newBox(t *testing.T, args ...string) *box {
	t.Helper()
	dir := t.TempDir()
	b := &box{T: t, id: fmt.Sprintf("klwtest-%d-%d", os.Getpid(), boxes.Add(1)), dir: filepath.Join(dir, "bundle"), root: filepath.Join(dir, "root")}
	for _, d := range []string{"proc", "dev", "sys", "tmp", "etc", "data"} {
		b.must(os.MkdirAll(filepath.Join(b.dir, "rootfs", d), 0o755))
	}
	b.must(os.Link(filepath.Join(binaries, "testapp"), filepath.Join(b.dir, "rootfs", "app")))
	b.file("rootfs/etc/passwd", "root:x:0:0::/:/app\nwww:x:33:33::/:/app\n")
	b.spec = bundle.Example()
	b.spec.Process.Terminal = false
	b.spec.Process.Args = append([]string{"/app"}, args...)
	b.spec.Root.Readonly = false
	b.Cleanup(b.leavesNothing)
	return b
}

func (b *box) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *box) file(name, text string) {
	b.Helper()
	b.must(os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644))
}

func (b *box) exists(name string) bool {
	_, err := os.Stat(filepath.Join(b.dir, name))
	return err == nil
}

func (b *box) writeSpec() {
	b.Helper()
	text, err := json.Marshal(b.spec)
	b.must(err)
	b.file("config.json", string(text))
}

// result is how a klw-runc ended.
type result struct {
	code        int
	out, errOut string
}

func (b *box) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(binaries, "klw-runc"), append([]string{"--root", b.root}, args...)...)
	cmd.Dir = b.dir
	return cmd
}

// klw runs klw-runc. Its output goes to files, which a detached container may keep.
func (b *box) klw(args ...string) result {
	b.Helper()
	return b.finish(b.command(args...))
}

func (b *box) finish(cmd *exec.Cmd) result {
	b.Helper()
	dir := b.TempDir()
	for name, to := range map[string]*io.Writer{"out": &cmd.Stdout, "err": &cmd.Stderr} {
		f, err := os.Create(filepath.Join(dir, name))
		b.must(err)
		defer f.Close()
		*to = f
	}
	b.must(cmd.Start())
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	b.must(err)
	errOut, err := os.ReadFile(filepath.Join(dir, "err"))
	b.must(err)
	return result{cmd.ProcessState.ExitCode(), string(out), string(errOut)}
}

// ok runs klw-runc, which must succeed, and gives its output.
func (b *box) ok(args ...string) string {
	b.Helper()
	r := b.klw(args...)
	if r.code != 0 {
		b.Fatalf("klw-runc %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.errOut)
	}
	return r.out
}

// fails runs klw-runc, which must fail with that code and one line that holds text.
func (b *box) fails(code int, text string, args ...string) {
	b.Helper()
	r := b.klw(args...)
	if r.code != code || !strings.Contains(r.errOut, text) || strings.Count(r.errOut, "\n") != 1 {
		b.Errorf("klw-runc %s: exit code %d, want %d and one line with %q, got:\n%s", strings.Join(args, " "), r.code, code, text, r.errOut)
	}
}

// create makes the container detached from our pipes, its output in a file of the bundle.
func (b *box) create(args ...string) {
	b.Helper()
	b.writeSpec()
	b.ok(append(append([]string{"create"}, args...), b.id)...)
}

func (b *box) state() *specs.State {
	b.Helper()
	s := new(specs.State)
	b.must(json.Unmarshal([]byte(b.ok("state", b.id)), s))
	return s
}

func (b *box) wantStatus(want specs.ContainerState) {
	b.Helper()
	if s := b.state(); s.Status != want {
		b.Fatalf("status %s, want %s", s.Status, want)
	}
}

// eventually waits for something that comes soon by itself.
func (b *box) eventually(what string, is func() bool) {
	b.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("after 10 s still not: %s", what)
		}
	}
}

func (b *box) stopped() bool { return b.state().Status == specs.StateStopped }

// leavesNothing removes what the test left, and finds what klw left: state, cgroups, mounts.
func (b *box) leavesNothing() {
	if r := b.klw("delete", "-f", b.id); r.code != 0 {
		b.Errorf("delete -f: %s", r.errOut)
	}
	for _, left := range b.leftovers() {
		b.Errorf("left: %s", left)
	}
}

func (b *box) leftovers() []string {
	var left []string
	entries, _ := os.ReadDir(filepath.Join(b.root, "containers"))
	for _, e := range entries {
		left = append(left, "state of "+e.Name())
	}
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == b.id {
			left = append(left, "cgroup "+path)
		}
		return nil
	})
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	b.must(err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, filepath.Dir(b.dir)) || strings.Contains(line, b.id) {
			left = append(left, "mount "+line)
		}
	}
	table, veth := link.Names(b.id)
	if _, err := os.Stat(filepath.Join("/sys/class/net", veth)); err == nil {
		left = append(left, "link "+veth)
	}
	tables, err := new(nftables.Conn).ListTables()
	b.must(err)
	for _, t := range tables {
		if t.Name == table {
			left = append(left, "firewall table "+table)
		}
	}
	return append(left, b.processes()...)
}

// processes lists those that were started from this test's folders: the program in the container, and klw's for it.
func (b *box) processes() []string {
	var left []string
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range entries {
		line, _ := os.ReadFile(p + "/cmdline")
		args := strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " ")
		if strings.Contains(args, b.id) || strings.Contains(args, b.root) {
			left = append(left, "process "+args)
		}
	}
	return left
}

// settle gives a signal time to be handled, where the order of two is to be seen.
func (b *box) settle() { time.Sleep(50 * time.Millisecond) }

// cgroup gives the container's cgroup of a v1 controller, or with "" that of v2.
func (b *box) cgroup(controller string) string {
	b.Helper()
	for _, dir := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if controller != "" {
			dir = "/sys/fs/cgroup/" + controller
		}
		path := filepath.Join(dir, "klw", b.id)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	b.Fatalf("no %q cgroup", controller)
	return ""
}

// inCgroup lists the processes of the container.
func (b *box) inCgroup() []string {
	text, err := os.ReadFile(filepath.Join(b.cgroup(""), "cgroup.procs"))
	b.must(err)
	return strings.Fields(string(text))
}
