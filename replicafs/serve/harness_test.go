package serve_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/layout"
	"klw/replicafs/ops"
)

// TestMain builds the two programs and puts them where they are found.
func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		work()
		return
	}
	os.Exit(func() int {
		bin, err := os.MkdirTemp("", "klw-bin")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(bin)
		build := exec.Command("go", "build", "-o", bin+"/", "klw/cmd/klw-replicafs", "klw/cmd/klw-replica")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Printf("build: %v\n%s", err, out)
			return 1
		}
		os.Setenv("PATH", bin+":"+os.Getenv("PATH"))
		unix.Umask(0)
		return m.Run()
	}())
}

// pairing is a replication under test.
type pairing struct {
	t                   *testing.T
	root                layout.Root
	src, dst, mnt, base string
	options             ops.MountOptions
}

// replicate starts a replication of a new folder over itself. fill puts things there before.
func replicate(t *testing.T, fill func(src string)) *pairing {
	t.Helper()
	p := newPairing(t)
	if fill != nil {
		fill(p.src)
	}
	p.start()
	return p
}

func newPairing(t *testing.T) *pairing {
	t.Helper()
	base := t.TempDir()
	must(t, os.Chmod(filepath.Dir(base), 0o755))
	p := &pairing{t: t, root: layout.Root(base + "/root"), src: base + "/src", dst: base + "/dst", mnt: base + "/src", base: base}
	for _, dir := range []string{p.src, p.dst, string(p.root)} {
		must(t, os.Mkdir(dir, 0o755))
	}
	p.options = ops.MountOptions{Root: p.root, Source: p.src, Mountpoint: p.mnt, Destination: p.dst}
	t.Cleanup(p.cleanup)
	return p
}

func (p *pairing) start() {
	p.t.Helper()
	if _, err := p.tryStart(); err != nil {
		p.t.Fatalf("mount: %v\n%s", err, p.log())
	}
}

func (p *pairing) tryStart() (ops.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	return ops.Mount(ctx, p.options)
}

func (p *pairing) log() string {
	logs, _ := filepath.Glob(p.root.Replicas() + "/*/log")
	text := ""
	for _, l := range logs {
		b, _ := os.ReadFile(l)
		text += string(b)
	}
	return text
}

func (p *pairing) status() ops.Status {
	p.t.Helper()
	st, err := ops.StatusOf(context.Background(), p.root, p.options.Source)
	if err != nil {
		p.t.Fatal(err)
	}
	return st
}

// settle waits until the replica has everything.
func (p *pairing) settle() {
	p.t.Helper()
	for late := time.Now().Add(20 * time.Second); ; {
		st := p.status()
		if st.State == "running" && st.Lag == 0 {
			return
		}
		if time.Now().After(late) {
			p.t.Fatalf("doesn't settle: %+v\n%s", st, p.log())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// stop ends the replication in good order.
func (p *pairing) stop() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := ops.Unmount(ctx, p.root, p.options.Source); err != nil {
		p.t.Fatalf("unmount: %v\n%s", err, p.log())
	}
}

// same checks with a comparison of its own that replica and source are equal.
func (p *pairing) same() {
	p.t.Helper()
	want, got := p.snapshots()
	for path, w := range want {
		if got[path] != w {
			p.t.Errorf("%s:\nsource  %s\nreplica %s", path, w, got[path])
		}
	}
	for path, g := range got {
		if _, ok := want[path]; !ok {
			p.t.Errorf("%s: only in the replica: %s", path, g)
		}
	}
	if p.t.Failed() {
		p.t.Fatalf("log:\n%s", p.log())
	}
}

// snapshots takes pictures of the source and the replica. The source's is taken at its mount point.
func (p *pairing) snapshots() (source, replica map[string]string) {
	p.t.Helper()
	return snapshot(p.t, p.options.Mountpoint), snapshot(p.t, p.dst)
}

func (p *pairing) cleanup() {
	for _, bad := range []string{"DATA RACE", "panic:"} { // go test with GOFLAGS=-race builds the programs so
		if strings.Contains(p.log(), bad) {
			p.t.Errorf("a program says %s", bad)
		}
	}
	if p.t.Failed() {
		p.t.Logf("log:\n%s", p.log())
	}
	st, err := ops.StatusOf(context.Background(), p.root, p.options.Source)
	if err == nil && st.PID != 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := ops.Unmount(ctx, p.root, p.options.Source); err != nil {
			syscall.Kill(st.PID, syscall.SIGKILL)
		}
	}
	unix.Unmount(p.options.Mountpoint, unix.MNT_DETACH)
	p.nothingLeft()
}

// nothingLeft checks that no mount and no process remains.
func (p *pairing) nothingLeft() {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(p.t, err)
	for _, line := range strings.Split(string(mounts), "\n") {
		if strings.Contains(line, p.base) && strings.Contains(line, "klw") {
			p.t.Errorf("a mount is left: %s", line)
		}
	}
	late := time.Now().Add(5 * time.Second)
	for _, dir := range processes("klw-replica") {
		for alive(dir, p.base) {
			if time.Now().After(late) {
				p.t.Errorf("a process is left: %s", dir)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func alive(dir, mention string) bool {
	cmd, err := os.ReadFile(dir + "/cmdline")
	return err == nil && strings.Contains(string(cmd), mention)
}

func processes(prefix string) (dirs []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		if comm, err := os.ReadFile(dir + "/comm"); err == nil && strings.HasPrefix(string(comm), prefix) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// snapshot describes a tree: for each path everything that must be equal.
func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	out, first := map[string]string{}, map[uint64]string{}
	var paths []string
	must(t, filepath.Walk(root, func(path string, _ os.FileInfo, err error) error {
		if filepath.Base(path) == ".klw-replica" {
			return filepath.SkipDir
		}
		paths = append(paths, path)
		return err
	}))
	sort.Strings(paths)
	for _, path := range paths {
		var st unix.Stat_t
		must(t, unix.Lstat(path, &st))
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		text := fmt.Sprintf("%o %d:%d %d.%09d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			b, err := os.ReadFile(path)
			must(t, err)
			text += fmt.Sprintf(" %d bytes %x", len(b), sha256.Sum256(b))
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			must(t, err)
			text += " -> " + target
		case unix.S_IFCHR, unix.S_IFBLK:
			text += fmt.Sprintf(" dev %#x", st.Rdev)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			text += fmt.Sprintf(" links %d", st.Nlink)
			if f, ok := first[st.Ino]; ok {
				text += " same as " + f
			} else {
				first[st.Ino] = rel
			}
		}
		out[rel] = text + xattrText(t, path)
	}
	return out
}

func xattrText(t *testing.T, path string) string {
	t.Helper()
	names, value := make([]byte, 4096), make([]byte, 65536)
	n, err := unix.Llistxattr(path, names)
	must(t, err)
	var all []string
	for _, name := range strings.Split(string(names[:n]), "\x00") {
		if name == "" || strings.HasPrefix(name, "trusted.klw.") {
			continue
		}
		v, err := unix.Lgetxattr(path, name, value)
		must(t, err)
		all = append(all, fmt.Sprintf(" %s=%q", name, value[:v]))
	}
	sort.Strings(all)
	return strings.Join(all, "")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
