package view

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func openFDs(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(list)
}

// roomy is a folder where many files are made and removed fast.
func roomy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, unix.Mount("none", dir, "tmpfs", 0, "nr_inodes=2m"))
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// keeper holds objects in the kernel's memory: one that it forgets, because somebody drops its caches or it is short of
// memory, the server forgets too.
type keeper int

func newKeeper(t *testing.T) keeper {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return keeper(fd)
}

// keep looks an object up and holds it.
func (k keeper) keep(t *testing.T, path string) {
	t.Helper()
	if _, err := unix.InotifyAddWatch(int(k), path, unix.IN_UNMOUNT|unix.IN_DONT_FOLLOW); err != nil {
		t.Fatalf("hold %s (fs.inotify.max_user_watches may be too low): %v", path, err)
	}
}

// TestDescriptorsBounded walks 20,000 files and opens one file a thousand times.
func TestDescriptorsBounded(t *testing.T) {
	m := attach(t, newServer(t), Options{Source: roomy(t)})
	for d := range 100 {
		dir := fmt.Sprintf("%s/%d", m.back, d)
		must(t, os.Mkdir(dir, 0o755))
		for f := range 200 {
			must(t, unix.Mknod(fmt.Sprintf("%s/%d", dir, f), unix.S_IFREG|0o644, 0))
		}
	}
	held := newKeeper(t)
	before := openFDs(t)
	for d := range 100 {
		held.keep(t, m.path(fmt.Sprint(d)))
		list, err := os.ReadDir(m.path(fmt.Sprint(d)))
		must(t, err)
		want(t, "names", len(list), 200)
		for _, e := range list {
			held.keep(t, m.path(fmt.Sprintf("%d/%s", d, e.Name())))
		}
	}
	want(t, "objects known", m.srv.Inodes(), 1+100+100*200)
	if n := openFDs(t) - before; n > pathFDs+50 {
		t.Errorf("%d descriptors after the walk", n)
	}
	// What was dropped is reached again.
	must(t, os.Chmod(m.path("0/0"), 0o600))

	before = openFDs(t)
	for range 1000 {
		fd, err := unix.Open(m.path("1/1"), unix.O_RDWR|unix.O_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(fd)
	}
	if n := openFDs(t) - before - 1000; n > 20 {
		t.Errorf("%d descriptors of the server for one open file", n)
	}
}
