package fsguard

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// TestReplaceMapped: who has mapped a file has it, though the descriptor is closed: it isn't taken into a circle, as it
// would be written or read there.
func TestReplaceMapped(t *testing.T) {
	for _, c := range []struct {
		flags, prot int
		into, want  string
	}{
		{unix.O_RDWR, unix.PROT_READ | unix.PROT_WRITE, "/etc/passwd", "EXDEV"},
		{unix.O_RDWR, unix.PROT_READ | unix.PROT_WRITE, "/home/bob/new", "EXDEV"},
		{unix.O_RDONLY, unix.PROT_READ, "/home/bob/new", "EXDEV"},
		{unix.O_RDONLY, unix.PROT_READ, "/etc/passwd", "ok"}, // may be read by all
	} {
		files := circledFiles()
		files["tmp/new"] = "new text"
		g := serveOf(t, 1000, circled, files)
		fd, err := unix.Open(g.mount+"/tmp/new", c.flags, 0)
		check(t, err)
		m, err := unix.Mmap(fd, 0, os.Getpagesize(), c.prot, unix.MAP_SHARED)
		check(t, err)
		check(t, unix.Close(fd))
		g.want(1000, "rename /tmp/new "+c.into+" = "+c.want)
		check(t, unix.Munmap(m))
	}
}

// TestReplacePassed: data of what no owner writes passes through in the kernel, and what has done so before an owner could
// move it isn't taken into a circle.
func TestReplacePassed(t *testing.T) {
	files := circledFiles()
	files["tmp/new"] = "new text"
	g := serveOf(t, 1000, "@general\nfile / read write execute\n", files)
	fd, err := unix.Open(g.mount+"/tmp/new", unix.O_RDWR, 0)
	check(t, err)
	m, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	check(t, err)
	check(t, unix.Close(fd))
	check(t, g.master.Unregister(Name))
	g.guardBy(parse(t, circled))
	g.want(1000, `
		rename /tmp/new /etc/passwd = EXDEV by p:5 /etc/passwd rename
		creat /tmp/newer = ok
		rename /tmp/newer /etc/passwd = ok
	`)
	check(t, unix.Munmap(m))
}

// moving is a file whose move ends right after somebody has looked at its names.
type moving struct {
	*fake
	marks *marks
}

func (m moving) Paths() []string {
	m.marks.list = nil
	m.marks.some.Store(0)
	return m.fake.Paths()
}

// TestMarkFirst: who has seen a file's old name has seen that it is being moved, too.
func TestMarkFirst(t *testing.T) {
	g := serve(t, circled, circledFiles())
	b, _, err := BindPolicy(parse(t, circled), g.server, people)
	check(t, err)
	defer b.Close()
	m := &marks{}
	f := moving{file("/tmp/x"), m}
	m.set(take{file: f, dir: dir("/etc"), name: "passwd", line: b.Circles.root.cover("/etc/passwd", "")})
	if v, _ := b.Circles.decide(&hooks.Call{Op: hooks.OpOpen, File: f, Flags: unix.O_WRONLY}, m); !v.Refused() {
		t.Error("a file that is being moved into a circle can be opened")
	}
}
