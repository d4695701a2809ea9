package fsguard

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"klw/internal/policy"
)

// circled is a policy that allows everything, but for what is reserved for bob.
const circled = `@general
file / read write execute
@circle bob
reserve /etc/passwd write
reserve /home/bob read write
reserve /later/on write
reserve /srv/site write
`

func circledFiles() map[string]string {
	return map[string]string{
		"proc/": "", "tmp/": "", "tmp/mine": "m", "etc/passwd": "users", "etc/group": "g", "home/bob/key": "secret",
		"home/bob/sub/deep": "d", "home/eve/x": "x", "later/": "", "srv/site/page": "p",
		"srv/other/page": "o",
	}
}

// TestReserved tries everything on what is reserved, as root and as somebody else: nothing changes, and what is reserved
// to read can't be read.
func TestReserved(t *testing.T) {
	for _, uid := range []uint32{0, 33} {
		g := serveOf(t, int(uid), circled, circledFiles())
		check(t, os.Symlink("key", g.source+"/home/bob/link"))
		check(t, unix.Setxattr(g.source+"/home/bob/key", "user.x", []byte("v"), 0))
		check(t, unix.Setxattr(g.source+"/etc/passwd", "user.x", []byte("v"), 0))
		g.want(uid, `
			read /etc/passwd = ok
			getxattr /etc/passwd = ok
			write /etc/passwd = EACCES by p:5 /etc/passwd open
			append /etc/passwd = EACCES
			rdwr /etc/passwd = EACCES
			rtrunc /etc/passwd = EACCES
			truncate /etc/passwd = EACCES by p:5 /etc/passwd truncate
			chmod /etc/passwd = EACCES by p:5 /etc/passwd chmod
			fchmod /etc/passwd = EACCES
			chown /etc/passwd = EACCES
			utimes /etc/passwd = EACCES
			futimes /etc/passwd = EACCES
			setxattr /etc/passwd = EACCES by p:5 /etc/passwd setxattr
			fsetxattr /etc/passwd = EACCES
			rmxattr /etc/passwd = EACCES
			unlink /etc/passwd = EACCES by p:5 /etc/passwd unlink
			rename /etc/passwd /etc/old = EACCES by p:5 /etc/passwd rename
			rename /tmp/mine /etc/passwd = EACCES by p:5 /etc/passwd rename
			exchange /tmp/mine /etc/passwd = EACCES
			exchange /etc/passwd /tmp/mine = EACCES
			link /etc/passwd /tmp/second = EACCES by p:5 /etc/passwd link
			opathlink /etc/passwd /tmp/second = EACCES
			reopen /etc/passwd = EACCES
			viaroot /etc/passwd = EACCES
			viadir /etc passwd = EACCES
			copyrange /etc/group /etc/passwd = EACCES
			fallocate /etc/passwd = EACCES
			rename /etc /elsewhere = EXDEV by p:5 /etc rename
			rename /tmp /etc = EXDEV
			write /etc/group = ok
			creat /etc/new = ok
			unlink /etc/new = ok

			read /home/bob/key = EACCES by p:6 /home/bob/key open
			write /home/bob/key = EACCES
			opath /home/bob/key = EACCES
			getxattr /home/bob/key = EACCES by p:6 /home/bob/key getxattr
			list /home/bob = EACCES by p:6 /home/bob opendir
			list /home/bob/sub = EACCES
			readlink /home/bob/link = EACCES by p:6 /home/bob/link readlink
			read /home/bob/sub/deep = EACCES
			exec /home/bob/key = EACCES
			stat /home/bob/key = ok
			creat /home/bob/new = EACCES by p:6 /home/bob/new create
			create /home/bob/sub/new = EACCES
			mkdir /home/bob/d = EACCES by p:6 /home/bob/d mkdir
			mkfifo /home/bob/f = EACCES
			symlink /etc /home/bob/l = EACCES
			tmpfile /home/bob = EACCES by p:6 /home/bob tmpfile
			tmplink /tmp /home/bob/n = EACCES by p:6 /home/bob/n link
			link /tmp/mine /home/bob/mine = EACCES
			link /home/bob/key /tmp/key = EACCES
			rename /home/bob/key /tmp/key = EACCES
			rename /tmp/mine /home/bob/mine = EACCES
			rename /home/bob /home/robert = EACCES by p:6 /home/bob rename
			rename /home /house = EXDEV by p:6 /home rename
			exchange /home/bob /home/eve = EACCES
			unlink /home/bob/key = EACCES
			unlink /home/bob/sub/deep = EACCES
			rmdir /home/bob/sub = EACCES by p:6 /home/bob/sub rmdir
			rmdir /home/bob = EACCES

			creat /later/on = EACCES by p:7 /later/on create
			mkdir /later/on = EACCES
			symlink /tmp /later/on = EACCES by p:7 /later/on symlink
			rename /tmp/mine /later/on = EACCES
			rmdir /later = EACCES by p:7 /later rmdir
			rename /later /sooner = EXDEV
			creat /later/one = ok
			unlink /later/one = ok
			exec /srv/site/page = ENOEXEC
			list /srv/site = ok
		`)
		g.unchanged(circledFiles(), "")
	}
}

// TestOwner: who owns a circle works in it as anybody does elsewhere; what would lead out of it is copied.
func TestOwner(t *testing.T) {
	g := serveOf(t, 1000, circled, circledFiles())
	g.want(1000, `
		read /home/bob/key = ok
		rdwr /home/bob/key = ok
		list /home/bob = ok
		creat /home/bob/new = ok
		chmod /home/bob/new = ok
		rename /home/bob/new /home/bob/sub/new = ok
		exchange /home/bob/sub/new /home/bob/key = ok
		link /home/bob/key /home/bob/second = ok
		unlink /home/bob/second = ok
		symlink /etc /home/bob/l = ok
		readlink /home/bob/l = ok
		mkdir /home/bob/d = ok
		rename /home/bob/d /home/bob/sub/d = ok
		rmdir /home/bob/sub/d = ok
		tmplink /home/bob /home/bob/n = ok
		exec /srv/site/page = ENOEXEC
		write /etc/passwd = ok
		truncate /etc/passwd = ok
		setxattr /etc/passwd = ok

		rename /home/bob/key /tmp/key = EXDEV by p:6 /tmp/key rename
		link /home/bob/key /tmp/key = EXDEV by p:6 /tmp/key link
		rename /srv/site/page /home/bob/page = ok
		rename /home/bob/page /srv/site/page = EXDEV
		exchange /home/bob/page /tmp/mine = EXDEV
		rename /home/bob /home/robert = EXDEV
		rename /home /house = EXDEV
		rename /home/eve /home/bob/eve = EXDEV by p:6 /home/bob/eve rename
		mkfifo /tmp/fifo = ok
		rename /tmp/fifo /home/bob/fifo = EXDEV
		symlink /tmp /later/on = EACCES by p:7 /later/on symlink
		mkdir /later/on = ok
		creat /later/on/x = ok
	`)
	g.want(0, `
		creat /later/on/y = EACCES by p:7 /later/on/y create
		unlink /later/on/x = EACCES
	`)
}

// TestReplace: the owner replaces a reserved file by rename, as tools do, and what stands there then is reserved; the
// object that was there before is, too.
func TestReplace(t *testing.T) {
	files := circledFiles()
	files["etc/passwd.new"] = "new users"
	g := serveOf(t, 1000, circled, files)
	old, err := os.Open(g.source + "/etc/passwd")
	check(t, err)
	defer old.Close()
	g.want(0, `
		unlink /etc/passwd.new = ok
	`)
	g.want(1000, `
		creat /etc/passwd.new = ok
		rename /etc/passwd.new /etc/passwd = ok
		write /etc/passwd = ok
		tmplink /etc /etc/spare = ok
		exchange /etc/spare /etc/passwd = EXDEV
		unlink /etc/passwd = ok
		tmplink /etc /etc/passwd = ok
	`)
	for range 2 {
		g.want(0, `
			write /etc/passwd = EACCES by p:5 /etc/passwd open
			unlink /etc/passwd = EACCES
		`)
	}
	g.want(1000, `
		unlink /etc/passwd = ok
	`)
	g.want(0, `
		creat /etc/passwd = EACCES by p:5 /etc/passwd create
		rename /tmp/mine /etc/passwd = EACCES
	`)
}

// TestReplaceHeld: what somebody else has open, or knows by another name, isn't moved into a circle.
func TestReplaceHeld(t *testing.T) {
	files := circledFiles()
	files["tmp/a"], files["tmp/b"], files["tmp/c"] = "a", "b", "c"
	g := serveOf(t, 1000, circled, files)
	check(t, os.Link(g.source+"/tmp/b", g.source+"/tmp/b2"))
	writes, err := unix.Open(g.mount+"/tmp/a", unix.O_WRONLY, 0)
	check(t, err)
	g.want(1000, `
		rename /tmp/a /etc/passwd = EXDEV by p:5 /etc/passwd rename
		rename /tmp/a /home/bob/a = EXDEV by p:6 /home/bob/a rename
		rename /tmp/b /etc/passwd = EXDEV by p:5 /etc/passwd rename
		link /tmp/b /home/bob/b = EXDEV by p:6 /home/bob/b link
	`)
	check(t, unix.Close(writes))
	reads, err := unix.Open(g.mount+"/tmp/c", unix.O_RDONLY, 0)
	check(t, err)
	g.want(1000, `rename /tmp/c /home/bob/c = EXDEV`)
	g.want(1000, `rename /tmp/c /etc/passwd = ok`) // may be read by all
	check(t, unix.Close(reads))
	if got := contents(t, g.source+"/etc/passwd"); string(got) != "c" {
		t.Errorf("/etc/passwd is %q", got)
	}
}

// TestCircleNames: a second name of what is reserved, made by the host, leads to the same answer.
func TestCircleNames(t *testing.T) {
	files := circledFiles()
	g := serveOf(t, 1000, "@general\nfile / read write execute\n", files)
	check(t, os.Link(g.source+"/etc/passwd", g.source+"/tmp/second"))
	check(t, os.Mkdir(g.source+"/mnt", 0o777))
	g.attach(g.source+"/srv", "/mnt")
	check(t, g.master.Unregister(Name))
	g.guardBy(parse(t, circled))
	g.want(0, `
		stat /tmp/second = ok
		write /tmp/second = EACCES by p:5 /etc/passwd open
		unlink /tmp/second = EACCES by p:5 /etc/passwd unlink
		rename /tmp/second /tmp/third = EACCES
		rename /tmp/mine /tmp/second = EACCES
		write /mnt/site/page = EACCES
		creat /mnt/site/new = EACCES
		unlink /mnt/site/page = EACCES
		rename /mnt/site /mnt/gone = EACCES
		write /mnt/other/page = ok
	`)
	g.want(1000, `write /mnt/site/page = ok`)
}

// TestCircleSpecial: FIFOs and sockets in a circle are the kernel's to open, which has one answer for all.
func TestCircleSpecial(t *testing.T) {
	g := serve(t, circled, circledFiles())
	for _, dir := range []string{"home/bob", "srv/site", "tmp"} {
		fifo := filepath.Join(g.source, dir, "fifo")
		check(t, unix.Mkfifo(fifo, 0))
		check(t, unix.Chmod(fifo, 0o666))
	}
	g.want(0, `
		rdwr /home/bob/fifo = EACCES
		rdwr /srv/site/fifo = EACCES
		rdwr /tmp/fifo = ok
	`)
}

// TestCircleErrors: what is listed twice is refused, whatever names it has, as is what can't be reserved.
func TestCircleErrors(t *testing.T) {
	g := serve(t, "@general\nfile / read\n", circledFiles())
	check(t, os.Link(g.source+"/etc/passwd", g.source+"/tmp/second"))
	check(t, os.Symlink("/home/bob", g.source+"/bob"))
	check(t, os.Symlink("/home", g.source+"/tmp/house"))
	check(t, os.Mkdir(g.source+"/mnt", 0o777))
	g.attach(g.source+"/srv", "/mnt")
	for _, c := range []struct{ text, want string }{
		{"@circle bob\nreserve /etc/passwd write\n@circle www-data\nreserve /tmp/second write\n",
			"p:5:1: reserve /tmp/second write for www-data and reserve /etc/passwd write for bob (p:3) are both about /tmp/second, expected a file in one circle at most"},
		{"@circle bob\nreserve /home/bob write\nreserve /bob/key write\n",
			"p:4:1: reserve /bob/key write for bob and reserve /home/bob write for bob (p:3) are both about /home/bob/key, expected a file in one circle at most"},
		{"@circle bob\nreserve /bob/key write\n@circle root\nreserve /home write\n",
			"p:5:1: reserve /home write for root and reserve /bob/key write for bob (p:3) are both about /home, expected a file in one circle at most"},
		{"@circle bob\nreserve /srv/site write\n@circle root\nreserve /mnt/site/page write\n",
			"p:5:1: reserve /mnt/site/page write for root and reserve /srv/site write for bob (p:3) are both about /mnt/site, expected a file in one circle at most"},
		{"@circle bob\nreserve /srv write\n@circle root\nreserve /mnt/new/x write\n",
			"p:5:1: reserve /mnt/new/x write for root and reserve /srv write for bob (p:3) are both about /mnt, expected a file in one circle at most"},
		{"@circle nobody\nreserve /srv write\n", `p:2:9: no user "nobody" in the container's /etc/passwd, expected a user of the container, or a number`},
		{"@circle bob\nreserve /proc/1/mem write\nreserve /run/x write\n",
			"p:3:1: /proc/1/mem lies on /proc, which the container has from the kernel: it can't be reserved, expected a path that a view shows\n" +
				"p:4:1: /run/x lies on /run, which the container has from the kernel: it can't be reserved, expected a path that a view shows"},
		{"@general\nfile / read\nfile /tmp write\n@circle bob\nreserve /tmp/house/bob write\n",
			"p:6:1: /tmp/house/bob goes through the link /tmp/house, which file /tmp write (p:4) lets the application replace: it could lead the circle anywhere, expected /home/bob, or no link there"},
	} {
		b, _, err := BindPolicy(parse(t, c.text), g.server, people, Unviewed("/proc", "/run"), Enforced("/run"))
		if b != nil || err == nil || err.Error() != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

// TestCircleLinks: links on the way of a reserve stay what they are, and a warning says where they led.
func TestCircleLinks(t *testing.T) {
	g := serveOf(t, 1000, "@general\nfile / read write execute\n", circledFiles())
	check(t, os.Symlink("home", g.source+"/house"))
	layers := parse(t, "@general\nfile / read write execute\n")
	layers.Stack = []policy.Layer{{Name: "l", RuleSet: parse(t, "@general\nfile / read\n").RuleSet}}
	layers.Circles = parse(t, "@circle bob\nreserve /house/bob write\n").Circles
	b, warnings, err := BindPolicy(layers, g.server, people) // one module lets the link be replaced, not all
	check(t, err)
	if len(warnings) != 1 || warnings[0].String() != "p:3:1: /house/bob leads to /home/bob: that is reserved" {
		t.Errorf("%v", warnings)
	}
	_, err = g.master.Register(NewCircleModule(b.Circles))
	check(t, err)
	for _, uid := range []uint32{0, 1000} {
		g.want(uid, `
			unlink /house = EACCES by p:3 /house unlink
			rename /house /home2 = EACCES by p:3 /house rename
			rename /tmp/mine /house = EACCES by p:3 /house rename
			symlink /tmp /home = EEXIST
		`)
	}
}

// TestCircleOpenAlready: a warning says who has open what is to be reserved.
func TestCircleOpenAlready(t *testing.T) {
	g := serve(t, "@general\nfile / read write\n", circledFiles())
	fd, err := unix.Open(g.mount+"/etc/passwd", unix.O_RDWR, 0)
	check(t, err)
	defer unix.Close(fd)
	_, warnings, err := BindPolicy(parse(t, circled), g.server, people)
	check(t, err)
	if len(warnings) != 1 || warnings[0].String() != "p:5:1: /etc/passwd is open already, by user 0: what is open stays open" {
		t.Errorf("%v", warnings)
	}
}

// TestCircleExplain says for whom a path is reserved.
func TestCircleExplain(t *testing.T) {
	g := serve(t, circled, circledFiles())
	b, _, err := BindPolicy(parse(t, circled), g.server, people)
	check(t, err)
	defer b.Close()
	for _, c := range []struct {
		user, path string
		need       policy.Perm
		want       string
	}{
		{"root", "/etc/passwd", policy.Write, "refused: write of /etc/passwd for root (p:5: reserve /etc/passwd write)\n" +
			"would be allowed by: being user bob, for whom it is reserved: reserve /etc/passwd write"},
		{"root", "/home/bob/x", policy.Execute, "refused: execute of /home/bob/x for root (p:6: reserve /home/bob read write)\n" +
			"would be allowed by: being user bob, for whom it is reserved: reserve /home/bob read write"},
		{"root", "/etc/passwd", policy.Read, "allowed: read of /etc/passwd for root (p:3: file / read write execute)"},
		{"bob", "/etc/passwd", policy.Write, "allowed: write of /etc/passwd for bob (p:3: file / read write execute)"},
	} {
		a, err := b.Explain(c.user, c.path, c.need)
		if err != nil || a.String() != c.want {
			t.Errorf("%v\ngot  %s\nwant %s", err, a, c.want)
		}
	}
}
