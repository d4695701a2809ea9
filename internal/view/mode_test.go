package view

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// TestReadOnly: neither a read-only view nor one of a read-only mount can be written through.
func TestReadOnly(t *testing.T) {
	back := t.TempDir()
	furnish(t, back)
	bound := t.TempDir()
	must(t, unix.Mount(back, bound, "", unix.MS_BIND, ""))
	defer unix.Unmount(bound, unix.MNT_DETACH)
	must(t, unix.Mount("", bound, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	s := newServer(t)
	attach(t, s, Options{Source: back}) // a writable view of the same objects changes nothing
	for _, o := range []Options{{Source: back, ReadOnly: true}, {Source: bound}, {Source: bound, Cached: true}} {
		m := attach(t, s, o)
		before := listing(t, back)
		want(t, "content", get(t, m.path("file")), "hello")
		for _, a := range attempts {
			switch a.op {
			case hooks.OpExec, hooks.OpOpenDir, hooks.OpReadlink, hooks.OpGetxattr:
				must(t, a.do(m))
			default:
				if err := a.do(m); err == nil && !readsOnly(a, m) {
					t.Errorf("%v in a read-only view succeeds", a.op)
				}
			}
		}
		want(t, "backing", listing(t, back), before)
	}
}

func readsOnly(a attempt, m *mounted) bool {
	return a.op == hooks.OpOpen && opens(m.path("file"), unix.O_RDONLY) == nil
}

// TestMountFlags: a view has the flags that a bind mount of its source would have inherited.
func TestMountFlags(t *testing.T) {
	back := t.TempDir()
	must(t, unix.Mount("none", back, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=1m"))
	defer unix.Unmount(back, unix.MNT_DETACH)
	furnish(t, back)
	m := attach(t, newServer(t), Options{Source: back})
	var st unix.Statfs_t
	must(t, unix.Statfs(m.point, &st))
	for _, f := range []int64{unix.ST_NOSUID, unix.ST_NODEV, unix.ST_NOEXEC} {
		if st.Flags&f == 0 {
			t.Errorf("flag %#x is missing", f)
		}
	}
	if execute(m.path("true")) == nil {
		t.Error("a program runs in spite of noexec")
	}
}

// TestFileView: a view can be of one regular file.
func TestFileView(t *testing.T) {
	for _, o := range []Options{{}, {Cached: true}} {
		spy := &spy{}
		o.Source, o.Inside = filepath.Join(t.TempDir(), "conf"), "/etc/conf"
		put(t, o.Source, "one")
		m := attach(t, newServer(t, spy), o)
		run := func(script string) string {
			out, err := exec.Command("/bin/bash", "-c", script).CombinedOutput()
			must(t, err)
			return string(out)
		}
		want(t, "content", run("cat "+m.point), "one")
		run("echo -n two >> " + m.point)
		want(t, "content", get(t, o.Source), "onetwo")
		f, _, err := m.srv.Pin("/etc/conf")
		must(t, err)
		wantPaths(t, f, "/etc/conf")
		c, _ := spy.last(t, hooks.OpOpen)
		want(t, "opened", c.File, f)
		wantErrno(t, "unlink", unix.Unlink(m.point), unix.EBUSY)
		spy.set(map[hooks.Operation]unix.Errno{hooks.OpOpen: unix.EDOM})
		wantErrno(t, "refused", opens(m.point, unix.O_RDONLY), unix.EDOM)
	}
}

// TestBadSources: what can't be a view is refused with a clear error.
func TestBadSources(t *testing.T) {
	s, dir := newServer(t), t.TempDir()
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	fds := openFDs(t)
	for name, o := range map[string]Options{
		"a FIFO":   {Source: dir + "/fifo", Inside: "/f"},
		"missing":  {Source: dir + "/none", Inside: "/f"},
		"relative": {Source: dir, Inside: "f"},
		"unclean":  {Source: dir, Inside: "/f/../g"},
	} {
		if v, err := s.Add(o); err == nil {
			t.Errorf("%s: made %v", name, v)
		}
	}
	want(t, "descriptors", openFDs(t), fds)
	want(t, "objects", s.Inodes(), 0)
}

// TestMmapStores: in a Cached view stores to a mapping arrive as writes at msync, marked as such.
func TestMmapStores(t *testing.T) {
	spy := &spy{}
	m := attach(t, newServer(t, spy), Options{Cached: true, Ordered: true})
	put(t, m.path("f"), "0123456789")
	f, err := os.OpenFile(m.path("f"), os.O_RDWR|os.O_APPEND, 0)
	must(t, err)
	defer f.Close()
	mem, err := unix.Mmap(int(f.Fd()), 0, 10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	defer unix.Munmap(mem)
	copy(mem[2:], "AB")
	must(t, unix.Msync(mem, unix.MS_SYNC))
	want(t, "content", get(t, m.back+"/f"), "01AB456789")
	c, _ := spy.last(t, hooks.OpWrite)
	if !c.Writeback || c.Offset != 0 || !bytes.Equal(c.Data, []byte("01AB456789")) {
		t.Errorf("write %+v", c)
	}
	_, err = f.Write([]byte("X"))
	must(t, err)
	c, r := spy.last(t, hooks.OpWrite)
	if c.Writeback || c.Offset != 10 || r.Stat.Size != 11 {
		t.Errorf("appending write %+v, result %+v", c, r.Stat)
	}
}

// TestHostChanges: what the host changes shows within the validity of names and attributes.
func TestHostChanges(t *testing.T) {
	for _, o := range []Options{{}, {Cached: true}} {
		m := attach(t, newServer(t), o)
		put(t, m.back+"/f", "one")
		want(t, "content", get(t, m.path("f")), "one")
		put(t, m.back+"/f", "two")
		eventually(t, "changed content shows", func() bool { return get(t, m.path("f")) == "two" })
		wantErrno(t, "stat", unix.Stat(m.path("new"), &unix.Stat_t{}), unix.ENOENT)
		put(t, m.back+"/new", "x")
		eventually(t, "a new file shows", func() bool { return unix.Stat(m.path("new"), &unix.Stat_t{}) == nil })
		list, err := os.ReadDir(m.point)
		must(t, err)
		want(t, "names", len(list), 2)
		must(t, os.Remove(m.back+"/new"))
		eventually(t, "a removed file goes", func() bool {
			list, err := os.ReadDir(m.point)
			return err == nil && len(list) == 1 && unix.Stat(m.path("new"), &unix.Stat_t{}) == unix.ENOENT
		})
	}
}

// TestCreatedOnHost: an open that would create finds what the host made meanwhile, and permission is checked.
func TestCreatedOnHost(t *testing.T) {
	m := attach(t, newServer(t), Options{Source: openDir(t)})
	must(t, os.Chmod(filepath.Dir(m.point), 0o755))
	must(t, os.Chmod(m.back, 0o777))
	for _, name := range []string{"mine", "theirs"} {
		wantErrno(t, "stat", unix.Stat(m.path(name), &unix.Stat_t{}), unix.ENOENT)
		put(t, m.back+"/"+name, "host")
		must(t, os.Chmod(m.back+"/"+name, 0o600))
	}
	fd, err := unix.Open(m.path("mine"), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	must(t, err)
	unix.Close(fd)
	if out := as(t, someUID, someGID, m.point, "echo x >> theirs"); out == "<nil>" {
		t.Error("somebody else's file was written")
	}
	want(t, "content", get(t, m.back+"/theirs"), "host")
	wantErrno(t, "O_EXCL", opens(m.path("mine"), unix.O_CREAT|unix.O_EXCL|unix.O_RDWR), unix.EEXIST)
}

// TestAbort: users of an aborted view get ENOTCONN, and the session ends.
func TestAbort(t *testing.T) {
	s := newServer(t)
	m, other := attach(t, s, Options{}), attach(t, s, Options{})
	put(t, m.path("f"), "x")
	must(t, m.Abort())
	waitDone(t, m.View)
	wantErrno(t, "stat", unix.Stat(m.path("f"), &unix.Stat_t{}), unix.ENOTCONN)
	must(t, m.Abort())
	put(t, other.path("f"), "unharmed")
}

// TestHandedOverOnce: the mount belongs to whom it was handed, and the view ends with it.
func TestHandedOverOnce(t *testing.T) {
	v, err := newServer(t).Add(Options{Source: t.TempDir(), Inside: "/"})
	must(t, err)
	f, err := v.Mount()
	must(t, err)
	if _, err := v.Mount(); !errors.Is(err, ErrHandedOver) {
		t.Errorf("second Mount: %v", err)
	}
	if err := v.AttachTo(t.TempDir()); !errors.Is(err, ErrHandedOver) {
		t.Errorf("AttachTo after Mount: %v", err)
	}
	select {
	case <-v.Done():
		t.Error("ended while the mount is held")
	case <-time.After(50 * time.Millisecond):
	}
	must(t, f.Close())
	waitDone(t, v)
}

// TestAppendSwitched: a description whose O_APPEND is switched off or on writes where it now should. (With passthrough
// the kernel goes on appending.)
func TestAppendSwitched(t *testing.T) {
	for _, o := range []Options{{NoPassthrough: true}, {Cached: true}, {Cached: true, Ordered: true}} {
		m := attach(t, newServer(t), o)
		put(t, m.path("f"), "12345")
		fd, err := unix.Open(m.path("f"), unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(fd)
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0)
		must(t, err)
		_, err = unix.Pwrite(fd, []byte("x"), 0)
		must(t, err)
		want(t, "switched off", get(t, m.path("f")), "x2345")
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_APPEND)
		must(t, err)
		_, err = unix.Pwrite(fd, []byte("y"), 0)
		must(t, err)
		want(t, "switched on", get(t, m.path("f")), "x2345y")
	}
}
