package view

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// What was opened for reading is kept for the next open, and let go of soon: at once beyond a number of files.
func TestIdleDescriptors(t *testing.T) {
	src := t.TempDir()
	for i := range idleFiles + 20 {
		if err := os.WriteFile(filepath.Join(src, name3(i)), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := attach(t, NewServer(hooks.NewMaster(nil)), Options{Source: src, Inside: "/"})
	v, dir := m.View, m.point
	if !v.Passthrough() {
		t.Fatal("no passthrough on this kernel: nothing to test")
	}
	read := func(name string) {
		t.Helper()
		if _, err := os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	read(name3(0))
	waitIdle(t, v, func(n int) bool { return n == 1 })
	for i := range idleFiles + 20 {
		read(name3(i))
	}
	waitIdle(t, v, func(n int) bool { return n > 1 && n <= idleFiles })
	if err := os.WriteFile(filepath.Join(dir, name3(1)), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, name3(1))); err != nil || string(b) != "changed" {
		t.Errorf("a file that was kept shows %q, %v", b, err)
	}
	if err := os.Remove(filepath.Join(dir, name3(2))); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(filepath.Join(dir, name3(2))); !os.IsNotExist(err) {
		t.Errorf("a removed file that was kept: %v", err)
	}
	waitIdle(t, v, func(n int) bool { return n == 0 })
}

// The kernel gives a file no writer while it executes, and no execution while it has one: a kept descriptor is neither.
func TestIdleIsNoWriter(t *testing.T) {
	src := t.TempDir()
	file := filepath.Join(src, "f")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := attach(t, NewServer(hooks.NewMaster(nil)), Options{Source: src, Inside: "/"})
	v, dir := m.View, m.point
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("y"), 0o644); err != nil {
		t.Fatal(err)
	}
	waitIdle(t, v, func(n int) bool { return n == 0 })
	fd, err := unix.Open(file, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	// A read lease is given only while nobody has the file open for writing.
	eventually(t, "nobody has the file open for writing", func() bool {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
		return err == nil
	})
}

func waitIdle(t *testing.T, v *View, good func(int) bool) {
	t.Helper()
	eventually(t, "descriptors that nobody has open", func() bool {
		v.idle.mu.Lock()
		defer v.idle.mu.Unlock()
		return good(v.idle.list.Len())
	})
}

func name3(i int) string {
	return string([]byte{'a' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10)})
}
