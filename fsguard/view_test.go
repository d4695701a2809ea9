package fsguard

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const site = `@general
file /bin none
file /etc read
file /srv read write
file /srv/static read
file /srv/hole none
file /srv/hole/in read
file /drop write
file /drop2 write
file /tool read execute
file /onlyexec execute
@user root
file /keys read
`

func siteFiles() map[string]string {
	return map[string]string{
		"proc/": "", "etc/conf": "c", "etc/dir/": "", "srv/a": "a", "srv/b": "b", "srv/dir/x": "x", "srv/static/s": "s",
		"srv/hole/h": "h", "srv/hole/in/i": "i", "drop/": "", "drop2/": "", "keys/k": "k", "unlisted/u": "u",
		"bin/sh": "#!/nothing\n",
	}
}

// TestRealCalls tries every kind of system call on a real view, as root and as somebody else.
func TestRealCalls(t *testing.T) {
	for _, uid := range []uint32{0, 33} {
		g := serveOf(t, int(uid), site, siteFiles())
		g.want(uid, `
			read /etc/conf = ok
			write /etc/conf = EACCES by p:4 /etc/conf open
			rdwr /etc/conf = EACCES
			append /etc/conf = EACCES
			rtrunc /etc/conf = EACCES
			truncate /etc/conf = EACCES by p:4 /etc/conf truncate
			utimes /etc/conf = EACCES by p:4 /etc/conf utimes
			fchmod /etc/dir = EACCES by p:4 /etc/dir chmod
			futimes /etc/conf = EACCES by p:4 /etc/conf utimes
			setxattr /etc/conf = EACCES by p:4 /etc/conf setxattr
			fsetxattr /etc/conf = EACCES
			rmxattr /etc/conf = EACCES by p:4 /etc/conf removexattr
			getxattr /etc/conf = ENODATA
			viaroot /etc/conf = EACCES
			viadir /etc conf = EACCES
			reopen /etc/conf = EACCES by p:4 /etc/conf open
			unlink /etc/conf = EACCES by p:4 /etc/conf unlink
			rename /etc/conf /srv/conf = EACCES by p:4 /etc/conf rename
			rename /srv/a /etc/a = EACCES by p:4 /etc/a rename
			rename /srv/a /etc/conf = EACCES
			link /etc/conf /srv/conf = EXDEV by p:5 /srv/conf link
			opathlink /etc/conf /srv/conf = EXDEV
			link /srv/a /etc/a = EACCES by p:4 /etc/a link
			exchange /etc/conf /srv/a = EACCES
			mkdir /etc/d = EACCES by p:4 /etc/d mkdir
			mkfifo /etc/f = EACCES by p:4 /etc/f mknod
			symlink x /etc/l = EACCES by p:4 /etc/l symlink
			creat /etc/new = EACCES by p:4 /etc/new create
			tmpfile /etc = EACCES by p:4 /etc tmpfile
			tmplink /srv /etc/new = EACCES by p:4 /etc/new link
			tmplink /drop /srv/new = EXDEV by p:5 /srv/new link
			rmdir /etc/dir = EACCES by p:4 /etc/dir rmdir
			list /etc = ok
			list / = EACCES by no rule / opendir
			list /drop = EACCES by p:9 /drop opendir
			stat /unlisted/u = ok
			read /unlisted/u = EACCES by no rule /unlisted/u open
			opath /unlisted/u = EACCES by no rule /unlisted/u open
			exec /bin/sh = EACCES by p:3 /bin/sh exec
			exec /srv/a = EACCES by p:5 /srv/a exec
			read /srv/hole/h = EACCES by p:7 /srv/hole/h open
			read /srv/hole/in/i = ok
			write /srv/hole/in/i = EACCES
			rename /srv/hole /srv/hole2 = EACCES
			rename /srv /srv2 = EACCES by no rule /srv2 rename
			rename /srv/static /srv/dynamic = EACCES

			rdwr /srv/a = ok
			viaroot /srv/a = ok
			reopen /srv/a = ok
			copyrange /etc/conf /srv/a = ok
			fallocate /srv/a = ok
			truncate /srv/a = ok
			create /srv/new = ok
			setxattr /srv/new = ok
			getxattr /srv/new = ok
			rmxattr /srv/new = ok
			chmod /srv/new = ok
			chown /srv/new = ok
			utimes /srv/new = ok
			link /srv/new /srv/dir/new2 = ok
			rename /srv/dir/new2 /srv/new2 = ok
			exchange /srv/new /srv/b = ok
			exchange /srv/new /srv/b = ok
			rename /srv/new2 /srv/new = ok
			unlink /srv/new2 = ok
			unlink /srv/new = ok
			mkdir /srv/d = ok
			rename /srv/d /srv/dir/d = ok
			rmdir /srv/dir/d = ok
			mkfifo /srv/f = ok
			unlink /srv/f = ok
			symlink /unlisted/u /srv/l = ok
			readlink /srv/l = ok
			read /srv/l = EACCES by no rule /unlisted/u open
			unlink /srv/l = ok
			tmpuse /srv = ok
			ghostuse /srv = ok
			tmplink /srv /srv/linked = ok
			unlink /srv/linked = ok

			creat /drop/x = ok
			read /drop/x = EACCES by p:9 /drop/x open
			create /drop/y = EACCES by p:9 /drop/y create
			rename /drop/x /drop2/x = ok
			rename /drop2/x /srv/x = EXDEV by p:5 /srv/x rename
			unlink /drop2/x = ok
			ghostread /drop = EACCES by p:9 /drop/ghost open
		`)
		g.want(0, "read /keys/k = ok\nlist /keys = ok\nwrite /keys/k = EACCES by p:14 /keys/k open")
		g.want(33, "read /keys/k = EACCES by no rule /keys/k open\nlist /keys = EACCES by no rule /keys opendir")
		g.unchanged(siteFiles(), "srv/a")
	}
}

// TestHardLinks wants the intersection for objects with several names, made before, inside, or by a second mount.
func TestHardLinks(t *testing.T) {
	g := serve(t, `@general
file /srv read write
file /secret/named none
file /secret/other read
file /second read
`, map[string]string{"proc/": "", "secret/named": "n", "secret/seen": "s", "secret/other": "o", "srv/shared/f": "f", "second/": ""})
	for _, name := range []string{"named", "seen", "other"} {
		check(t, os.Link(g.source+"/secret/"+name, g.source+"/srv/"+name))
	}
	g.want(33, `
		read /srv/other = ok
		write /srv/seen = EACCES by no rule /secret/seen open
		unlink /srv/seen = ok
	`)
	// The second name of what a rule names was made after the rules were bound, on the host.
	g.want(33, `
		read /srv/named = EACCES by p:4 /secret/named open
		write /srv/other = EACCES by p:5 /secret/other open
	`)
	// The same folder at two places: what both allow.
	g.attach(filepath.Join(g.source, "srv/shared"), "/second")
	g.want(33, `
		read /second/f = ok
		write /second/f = EACCES by p:6 /second/f open
		write /srv/shared/f = EACCES by p:6 /second/f open
		creat /srv/shared/new = EACCES by p:6 /second/new create
	`)
}

// TestExecution runs a real program whose loader and libraries come from the view.
func TestExecution(t *testing.T) {
	files := map[string]string{"proc/": "", "tool/script": "#!/tool/true\n", "srv/script": "#!/tool/true\n", "tool/noread": "#!/tool/true\n"}
	libs := libraries(t, "/bin/true")
	for _, f := range libs {
		files[f] = string(contents(t, f))
	}
	files["tool/true"] = string(contents(t, "/bin/true"))
	var rules, loader string
	for _, f := range libs {
		if strings.Contains(filepath.Base(f), "ld-linux") {
			loader = f
		} else {
			rules += "file " + f + " read\n"
		}
	}
	general := "@general\nfile /tool read execute\nfile /tool/noread execute\nfile /srv read\n"
	g := serve(t, general+rules+"file "+loader+" read execute\n", files)
	g.want(33, `
		exec /tool/true = ok
		exec /tool/script = ok
		exec /srv/script = EACCES by p:5 /srv/script exec
		exec /tool/noread = ok
		read /tool/noread = EACCES by p:4 /tool/noread open
	`)
	g = serve(t, general+rules+"file "+loader+" read\n", files)
	g.want(33, "exec /tool/true = EACCES")
	g = serve(t, general+"file "+loader+" read execute\n", files)
	if got := tryAs(t, 33, g.mount, "exec /tool/true")[0]; !strings.Contains(got, "127") {
		t.Errorf("without its libraries: %s", got)
	}
}

// libraries gives the loader and the libraries of a program.
func libraries(t *testing.T, program string) []string {
	out, err := exec.Command("ldd", program).CombinedOutput()
	check(t, err)
	list := regexp.MustCompile(`/\S+`).FindAllString(string(out), -1)
	if len(list) < 2 {
		t.Fatalf("%s: %s", program, out)
	}
	return list
}

func contents(t *testing.T, file string) []byte {
	b, err := os.ReadFile(file)
	check(t, err)
	return b
}

// TestLinksOnAView wants rules through symbolic links to hold where they lead, also where nothing is yet.
func TestLinksOnAView(t *testing.T) {
	src := map[string]string{"proc/": "", "usr/lib/l": "l", "data/": "", "other/x": "x"}
	g := serve(t, "@general\nfile /data read write\n", src)
	for to, name := range map[string]string{"usr/lib": "lib", "data/later": "dangling", "mid": "first", "usr": "mid"} {
		check(t, os.Symlink(to, filepath.Join(g.source, name)))
	}
	m, warnings, err := newModule(parse(t, `@general
file /lib read
file /data read write
file /dangling/secret none
file /first/lib/l read
`), g.server, people)
	check(t, err)
	check(t, g.master.Unregister(Name))
	_, err = g.master.Register(m)
	check(t, err)
	var told []string
	for _, w := range warnings {
		told = append(told, w.String())
	}
	want := "p:3:1: /lib leads to /usr/lib: the rule is about that\np:5:1: /dangling/secret leads to /data/later/secret: the rule is about that\np:6:1: /first/lib/l leads to /usr/lib/l: the rule is about that"
	if got := strings.Join(told, "\n"); got != want {
		t.Errorf("warnings:\n%s", got)
	}
	g.want(33, `
		read /lib/l = ok
		read /first/lib/l = ok
		write /lib/l = EACCES by p:6 /usr/lib/l open
		mkdir /data/later = ok
		creat /data/later/other = ok
		creat /data/later/secret = EACCES by p:5 /data/later/secret create
		creat /dangling/secret = EACCES by p:5 /data/later/secret create
		rename /data/later /data/gone = EXDEV
		unlink /lib = EACCES by no rule /lib unlink
	`)
}
