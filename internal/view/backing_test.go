package view

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// backings are folders on file systems with handles, with birth times only, and with neither.
func backings(t *testing.T) map[string]string {
	return map[string]string{
		"disk":    t.TempDir(),
		"tmpfs":   tmpfs(t),
		"overlay": overlay(t, t.TempDir()),
		"view":    attach(t, newServer(t), Options{Cached: true, Ordered: true}).point,
	}
}

func tmpfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, unix.Mount("none", dir, "tmpfs", 0, "size=16m"))
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// overlay mounts an overlay over lower.
func overlay(t *testing.T, lower string) string {
	t.Helper()
	base := t.TempDir()
	for _, d := range []string{"upper", "work", "merged"} {
		must(t, os.Mkdir(filepath.Join(base, d), 0o755))
	}
	merged := filepath.Join(base, "merged")
	must(t, unix.Mount("none", merged, "overlay", 0,
		fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, base, base)))
	t.Cleanup(func() { unix.Unmount(merged, unix.MNT_DETACH) })
	return merged
}

// TestOverlayCopyUp: an object stays the same when overlayfs copies it up, and what is mounted on a directory stays.
func TestOverlayCopyUp(t *testing.T) {
	lower := t.TempDir()
	must(t, os.MkdirAll(lower+"/dir/point", 0o755))
	put(t, lower+"/dir/f", "low")
	m := attach(t, newServer(t), Options{Source: overlay(t, lower)})
	must(t, unix.Mount("none", m.path("dir/point"), "tmpfs", 0, "size=4k"))
	defer unix.Unmount(m.path("dir/point"), unix.MNT_DETACH)
	mounts := mountinfo(t)
	old, err := os.Open(m.path("dir/f"))
	must(t, err)
	defer old.Close()
	before := m.inode(t, "dir/f")

	put(t, m.path("dir/f"), "high")
	put(t, m.path("dir/new"), "new")
	m.srv.Close()
	for range 3 {
		must(t, unix.Stat(m.path("dir/f"), &unix.Stat_t{}))
		want(t, "the object after copy-up", m.inode(t, "dir/f"), before)
		want(t, "content", get(t, m.path("dir/f")), "high")
		want(t, "mounts", mountinfo(t), mounts)
		m.srv.Close()
	}
	want(t, "lower layer", get(t, lower+"/dir/f"), "low")
}

// TestPassthroughRefused: where the kernel won't pass data through (stacked too deep), the server moves it.
func TestPassthroughRefused(t *testing.T) {
	spy := &spy{}
	m := attach(t, newServer(t, spy), Options{Source: overlay(t, overlay(t, t.TempDir()))})
	put(t, m.path("f"), "through the server")
	want(t, "content", get(t, m.path("f")), "through the server")
	if c, _ := spy.last(t, hooks.OpWrite); string(c.Data) != "through the server" {
		t.Errorf("write of %q", c.Data)
	}
	f, err := os.OpenFile(m.path("f"), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	mem, err := unix.Mmap(int(f.Fd()), 0, 7, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	copy(mem, "THROUGH")
	must(t, unix.Munmap(mem))
	want(t, "content", get(t, m.back+"/f"), "THROUGH the server")
}

// TestViewOnView: a view with passthrough over a cached and ordered one. The lower one sees every write, the upper
// one none.
func TestViewOnView(t *testing.T) {
	below, above := &spy{}, &spy{}
	low := attach(t, newServer(t, below), Options{Cached: true, Ordered: true, Inside: "/low"})
	high := attach(t, newServer(t, above), Options{Source: low.point, Inside: "/high"})
	put(t, high.path("f"), "data")
	c, r := below.last(t, hooks.OpWrite)
	want(t, "written below", string(c.Data), "data")
	if r.Stat == nil || r.Stat.Size != 4 || r.N != 4 {
		t.Errorf("result below %+v", r)
	}
	calls, _ := above.history()
	for _, c := range calls {
		if c.Op == hooks.OpWrite {
			t.Error("the upper view saw a write")
		}
	}
	wantPaths(t, c.File, "/low/f")
	want(t, "content", get(t, low.back+"/f"), "data")
	wantPaths(t, high.inode(t, "f"), "/high/f")
}

// TestSubmountsAreApart: a view shows one mount, not what is mounted below it.
func TestSubmountsAreApart(t *testing.T) {
	back := t.TempDir()
	must(t, os.Mkdir(back+"/sub", 0o755))
	must(t, unix.Mount("none", back+"/sub", "tmpfs", 0, "size=4k"))
	defer unix.Unmount(back+"/sub", unix.MNT_DETACH)
	put(t, back+"/sub/hidden", "x")
	m := attach(t, newServer(t), Options{Source: back})
	wantErrno(t, "stat", unix.Stat(m.path("sub/hidden"), &unix.Stat_t{}), unix.ENOENT)
	put(t, m.path("sub/under"), "y")
	wantErrno(t, "stat", unix.Stat(back+"/sub/under", &unix.Stat_t{}), unix.ENOENT)
}
