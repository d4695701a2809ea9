package view

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// TestLimitSpecial: what the kernel opens by itself is out of reach for root too.
func TestLimitSpecial(t *testing.T) {
	m := attach(t, newServer(t), Options{})
	limits := map[string]uint32{"/none": 0, "/read": 4, "/sock": 0, "/open": 6, "/opensock": 6}
	m.srv.LimitSpecial("test", func(f hooks.File) uint32 {
		if p := f.Paths(); len(p) == 1 {
			return limits[p[0]]
		}
		return 0
	})
	for _, fifo := range []string{"none", "read", "open"} {
		must(t, unix.Mkfifo(m.path(fifo), 0o666))
	}
	for _, sock := range []string{"sock", "opensock"} {
		l, err := net.Listen("unix", m.path(sock))
		must(t, err)
		defer l.Close()
	}
	put(t, m.path("file"), "not special")
	const read, write = unix.O_RDONLY | unix.O_NONBLOCK, unix.O_RDWR | unix.O_NONBLOCK
	wantErrno(t, "read none", opens(m.path("none"), read), unix.EACCES)
	wantErrno(t, "write none", opens(m.path("none"), write), unix.EACCES)
	must(t, opens(m.path("read"), read))
	wantErrno(t, "write read", opens(m.path("read"), write), unix.EACCES)
	must(t, opens(m.path("open"), write))
	if c, err := net.Dial("unix", m.path("sock")); err == nil {
		c.Close()
		t.Error("connected to a socket that is out of reach")
	}
	c, err := net.Dial("unix", m.path("opensock"))
	must(t, err)
	c.Close()
	must(t, os.Chmod(m.path("file"), 0o600))

	// A change shows at once, whatever the kernel has been told before, and touches no mount.
	must(t, os.Mkdir(m.path("dir"), 0o755))
	must(t, unix.Mount("none", m.path("dir"), "tmpfs", 0, "size=4k"))
	defer unix.Unmount(m.path("dir"), unix.MNT_DETACH)
	must(t, unix.Mkfifo(m.path("below"), 0o666))
	must(t, unix.Mount(m.path("file"), m.path("below"), "", unix.MS_BIND, ""))
	defer unix.Unmount(m.path("below"), unix.MNT_DETACH)
	mounts := mountinfo(t)
	for range 50 {
		m.srv.LimitSpecial("test", nil)
		must(t, opens(m.path("none"), write))
		m.srv.LimitSpecial("test", func(hooks.File) uint32 { return 4 })
		wantErrno(t, "write open", opens(m.path("open"), write), unix.EACCES)
		must(t, opens(m.path("none"), read))
	}
	want(t, "mounts", mountinfo(t), mounts)
	m.srv.LimitSpecial("test", nil)
}
