package fsguard

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// TestLinksOfTheApplication wants rules refused that a link leads which the application may have made: it would choose
// what the rule is about.
func TestLinksOfTheApplication(t *testing.T) {
	r := root{
		links:   map[string]string{"/run/app": "/root", "/data/in": "/etc", "/mine": "/home", "/lib": "/usr/lib", "/var/run": "/run"},
		missing: map[string]bool{"/etc/later": true},
	}
	m, _, err := newModule(parse(t, `@general
file /run/app read write
file /data write
file /data/in/later read
file /lib read execute
file /var/run/other read write
@user bob
file /mine/x read
@user root
file /mine write
`), r, people)
	want := `p:3:1: /run/app goes through the link /run/app, which file /run/app read write (p:3) lets the application replace: it could lead the rule anywhere, expected /root, or no link there
p:5:1: /data/in/later goes through the link /data/in, which file /data write (p:4) lets the application replace: it could lead the rule anywhere, expected /etc/later, or no link there
p:9:1: /mine/x goes through the link /mine, which file /mine write (p:11) lets the application replace: it could lead the rule anywhere, expected /home/x, or no link there
p:11:1: /mine goes through the link /mine, which file /mine write (p:11) lets the application replace: it could lead the rule anywhere, expected /home, or no link there`
	if m != nil || err == nil || err.Error() != want {
		t.Errorf("got\n%v", err)
	}
}

// TestLinkInTheWayOfARule wants no link put where a rule's path goes through, by no call.
func TestLinkInTheWayOfARule(t *testing.T) {
	m := guard(t, "@general\nfile /d read write\nfile /d/a/b read write\nfile /e read write\n@user bob\nfile /d/c read write\n")
	symlink := func(at string) *hooks.Call {
		c := &hooks.Call{Op: hooks.OpSymlink, Caller: hooks.Caller{UID: 33}}
		c.Dir, c.Name = split(at)
		return c
	}
	hard := func(from, to string) *hooks.Call {
		c := &hooks.Call{Op: hooks.OpLink, Caller: hooks.Caller{UID: 33}, File: link(from)}
		c.NewDir, c.NewName = split(to)
		return c
	}
	const l, xchg = unix.S_IFLNK, unix.RENAME_EXCHANGE
	for i, c := range []struct {
		call *hooks.Call
		rule string
	}{
		{symlink("/d/x"), ""},
		{symlink("/d/a/x"), ""},
		{symlink("/d/a/b/x"), ""},
		{symlink("/d"), "p:3"},
		{symlink("/d/a"), "p:4"},
		{symlink("/d/a/b"), "p:4"},
		{symlink("/d/c"), "p:7"}, // whoever makes it
		{hard("/d/x", "/d/y"), ""},
		{hard("/d/x", "/d/a"), "p:4"},
		{rename(33, "/d/x", "/d/y", l, nil, 0), ""},
		{rename(33, "/d/x", "/d/a", l, nil, 0), "p:4"},
		{rename(33, "/d/x", "/e", unix.S_IFREG, file("/e"), 0), ""},
		{rename(33, "/d/x", "/e", l, file("/e"), 0), "p:5"},
		{rename(33, "/e", "/d/x", unix.S_IFREG, link("/d/x"), xchg), "p:5"},
		{rename(33, "/e", "/d/x", unix.S_IFREG, link("/d/x"), 0), ""},
	} {
		v := m.Pre(c.call)
		if v.Rule != c.rule || v.Refused() && v.Errno != syscall.EACCES {
			t.Errorf("%d: %+v", i, v)
		}
	}
}

// TestRuledFolderBecomesALink does to a real view what would give the application another folder the next time.
func TestRuledFolderBecomesALink(t *testing.T) {
	g := serve(t, "@general\nfile /run/app read write\n", map[string]string{"run/app/": "", "root/secret": "of root", "proc/": ""})
	here := filepath.Join(g.mount, "run/app")
	check(t, os.Remove(here))
	if err := os.Symlink("/root", here); err == nil {
		t.Error("the folder became a link")
	}
	check(t, os.Mkdir(here, 0o755))
	check(t, os.Symlink("/root", filepath.Join(here, "link")))
}
