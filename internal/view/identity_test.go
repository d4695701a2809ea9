package view

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNames follows one object through links, renames and unlinks.
func TestNames(t *testing.T) {
	for name, back := range backings(t) {
		t.Run(name, func(t *testing.T) {
			m := attach(t, newServer(t), Options{Source: back, Inside: "/app"})
			must(t, os.MkdirAll(m.path("a/b"), 0o755))
			put(t, m.path("a/b/f"), "x")
			f := m.inode(t, "a/b/f")
			wantPaths(t, f, "/app/a/b/f")
			want(t, "key", f.Key(), m.keyOf(t, filepath.Join(back, "a/b/f")))

			must(t, os.Link(m.path("a/b/f"), m.path("g")))
			wantPaths(t, f, "/app/a/b/f", "/app/g")
			want(t, "the second name's object", m.inode(t, "g"), f)

			must(t, os.Rename(m.path("a"), m.path("c")))
			wantPaths(t, f, "/app/c/b/f", "/app/g")

			must(t, os.Remove(m.path("g")))
			wantPaths(t, f, "/app/c/b/f")

			put(t, m.path("h"), "y")
			h := m.inode(t, "h")
			must(t, unix.Renameat2(unix.AT_FDCWD, m.path("h"), unix.AT_FDCWD, m.path("c/b/f"), unix.RENAME_EXCHANGE))
			wantPaths(t, f, "/app/h")
			wantPaths(t, h, "/app/c/b/f")
			wantErrno(t, "NOREPLACE", unix.Renameat2(unix.AT_FDCWD, m.path("h"), unix.AT_FDCWD, m.path("c/b/f"),
				unix.RENAME_NOREPLACE), unix.EEXIST)

			must(t, os.Rename(m.path("h"), m.path("c/b/f")))
			wantPaths(t, f, "/app/c/b/f")
			want(t, "content", get(t, m.path("c/b/f")), "x")
			if p := h.Paths(); len(p) != 0 {
				t.Errorf("the replaced object still has names: %q", p)
			}
		})
	}
}

// TestHostMoves shows that names follow what the host does, once somebody looks.
func TestHostMoves(t *testing.T) {
	m := attach(t, newServer(t), Options{})
	must(t, os.MkdirAll(m.path("a"), 0o755))
	put(t, m.path("a/f"), "x")
	f := m.inode(t, "a/f")
	must(t, os.Mkdir(m.back+"/z", 0o755))
	must(t, os.Rename(m.back+"/a", m.back+"/z/a"))
	must(t, unix.Stat(m.path("z/a/f"), &unix.Stat_t{}))
	wantPaths(t, f, "/z/a/f")
	must(t, os.Remove(m.back+"/z/a/f"))
	eventually(t, "the removed name isn't there", func() bool {
		return unix.Stat(m.path("z/a/f"), &unix.Stat_t{}) == unix.ENOENT
	})
	if p := f.Paths(); len(p) != 0 {
		t.Errorf("names after removal on the host: %q", p)
	}
}

// TestTwoViews: one object that two views show has one identity, and the names of both.
func TestTwoViews(t *testing.T) {
	s := newServer(t)
	a := attach(t, s, Options{})
	must(t, os.MkdirAll(a.path("sub"), 0o755))
	b := attach(t, s, Options{Source: a.back + "/sub", Inside: "/b"})
	put(t, b.path("f"), "x")
	f := b.inode(t, "f")
	wantPaths(t, f, "/b/f", "/sub/f")
	want(t, "identity", a.inode(t, "sub/f"), f)

	must(t, os.Rename(a.path("sub/f"), a.path("sub/g")))
	wantPaths(t, f, "/b/g", "/sub/g")
	must(t, os.Link(b.path("g"), b.path("h")))
	wantPaths(t, f, "/b/g", "/sub/g", "/b/h", "/sub/h")
	put(t, a.path("sub/h"), "longer")
	want(t, "content through the other view", get(t, b.path("h")), "longer")
}

// TestUnlinked: what is open or somebody's working directory goes on without a name, and no new object takes its
// identity.
func TestUnlinked(t *testing.T) {
	for name, back := range backings(t) {
		t.Run(name, func(t *testing.T) { testUnlinked(t, attach(t, newServer(t), Options{Source: back})) })
	}
}

func testUnlinked(t *testing.T, m *mounted) {
	f, err := os.OpenFile(m.path("f"), os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	defer f.Close()
	must(t, os.Mkdir(m.path("d"), 0o700))
	d, err := unix.Open(m.path("d"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(d)
	was := m.inode(t, "f")
	must(t, os.Remove(m.path("f")))
	must(t, os.Remove(m.path("d")))
	m.srv.Close()

	put(t, m.path("f"), "new")
	if now := m.inode(t, "f"); now == was || now.Key() == was.Key() {
		t.Errorf("the new object has the old one's identity %v", was.Key())
	}
	if len(was.Paths()) != 0 || len(was.FormerPaths()) != 1 {
		t.Errorf("paths %q, former %q", was.Paths(), was.FormerPaths())
	}
	_, err = f.WriteAt([]byte("old"), 0)
	must(t, err)
	must(t, f.Truncate(2))
	must(t, f.Chmod(0o640))
	must(t, f.Sync())
	st, err := f.Stat()
	must(t, err)
	want(t, "size", st.Size(), 2)
	want(t, "mode", st.Mode(), 0o640)
	var dst unix.Stat_t
	must(t, unix.Fstat(d, &dst))
	want(t, "links of the removed directory", dst.Nlink, 0)
	want(t, "the new file", get(t, m.path("f")), "new")
}

// TestTmpfileGetsName: O_TMPFILE and linkat make one object.
func TestTmpfileGetsName(t *testing.T) {
	m := attach(t, newServer(t), Options{})
	fd, err := unix.Open(m.point, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	must(t, err)
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte("tmp"))
	must(t, err)
	must(t, unix.Linkat(unix.AT_FDCWD, procPath(fd), unix.AT_FDCWD, m.path("named"), unix.AT_SYMLINK_FOLLOW))
	want(t, "content", get(t, m.path("named")), "tmp")
	wantPaths(t, m.inode(t, "named"), "/named")
	var a, b unix.Stat_t
	must(t, unix.Fstat(fd, &a))
	must(t, unix.Stat(m.path("named"), &b))
	want(t, "inode", a.Ino, b.Ino)
	want(t, "links", b.Nlink, 1)
}

// TestForget: with the last view the server knows nothing any more, but what is pinned.
func TestForget(t *testing.T) {
	s := newServer(t)
	v, err := s.Add(Options{Source: t.TempDir(), Inside: "/"})
	must(t, err)
	mount, err := v.Mount()
	must(t, err)
	fd, err := openat(int(mount.Fd()), ".", unix.O_RDONLY)
	must(t, err)
	must(t, mount.Close())
	dir := os.NewFile(uintptr(fd), "view")
	for _, name := range []string{"a", "b", "c"} {
		must(t, unix.Mkdirat(int(dir.Fd()), name, 0o755))
	}
	names, err := dir.ReadDir(-1)
	must(t, err)
	want(t, "names", len(names), 3)
	pinned, _, err := s.Pin("/b")
	must(t, err)
	want(t, "objects", s.Inodes(), 4)
	must(t, dir.Close())
	waitDone(t, v)
	want(t, "objects after the end", s.Inodes(), 2) // the pinned one and its parent
	want(t, "descriptors after the end", len(s.fds.byIno)-s.fds.idle.Len(), 0)
	if p := pinned.Paths(); len(p) != 0 {
		t.Errorf("paths without a view: %q", p)
	}
}
