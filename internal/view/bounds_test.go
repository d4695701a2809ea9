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

// TestDescriptorsBounded walks 20,000 files and opens one file a thousand times.
func TestDescriptorsBounded(t *testing.T) {
	m := attach(t, newServer(t), Options{})
	for d := range 100 {
		dir := fmt.Sprintf("%s/%d", m.back, d)
		must(t, os.Mkdir(dir, 0o755))
		for f := range 200 {
			must(t, unix.Mknod(fmt.Sprintf("%s/%d", dir, f), unix.S_IFREG|0o644, 0))
		}
	}
	before := openFDs(t)
	for d := range 100 {
		list, err := os.ReadDir(m.path(fmt.Sprint(d)))
		must(t, err)
		want(t, "names", len(list), 200)
		for _, e := range list {
			must(t, unix.Stat(m.path(fmt.Sprintf("%d/%s", d, e.Name())), &unix.Stat_t{}))
		}
	}
	if known := m.srv.Inodes(); known < 10000 { // a kernel that is short of memory has forgotten some
		t.Errorf("%d objects known, want nearly all", known)
	}
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
