package fsguard

import (
	"os"
	"testing"

	"klw/internal/policy"
)

const fixed = `@general
file /srv read write
file /srv/static read immutable
file /srv/static/img none
@user bob
file /srv read write execute
file /srv/static/x read execute
`

// TestImmutable: nobody changes what is immutable, by whatever name, and the answer says why.
func TestImmutable(t *testing.T) {
	files := map[string]string{"proc/": "", "srv/static/page": "p", "srv/static/x/y": "y", "srv/static/img/i": "i", "srv/a": "a", "mnt/": ""}
	for _, uid := range []uint32{0, 1000} {
		g := serveOf(t, int(uid), "@general\nfile / read write\n", files)
		check(t, os.Link(g.source+"/srv/static/page", g.source+"/srv/second"))
		g.attach(g.source+"/srv/static", "/mnt")
		check(t, g.master.Unregister(Name))
		g.guardBy(parse(t, fixed+"@general\nfile /mnt read write\n"))
		g.want(uid, `
			read /srv/static/page = ok
			write /srv/static/page = EACCES by p:4 /srv/static/page open
			unlink /srv/static/page = EACCES by p:4 /srv/static/page unlink
			chmod /srv/static/page = EACCES
			creat /srv/static/new = EACCES by p:4 /srv/static/new create
			mkdir /srv/static/d = EACCES
			rename /srv/a /srv/static/page = EACCES
			rename /srv/static /srv/else = EACCES
			write /srv/static/x/y = EACCES
			write /srv/static/img/i = EACCES
			creat /mnt/new = EACCES
			write /mnt/page = EACCES
			write /srv/a = ok
		`)
		g.unchanged(files, "")
	}
	p := parse(t, fixed)
	for _, c := range []struct{ path, hint string }{
		{"/srv/static/page", "no rule, as long as the line makes it immutable: file /srv/static read immutable (p:4)"},
		{"/srv/static/img/i", "no rule, as long as the line makes it immutable: file /srv/static read immutable (p:4)"},
	} {
		if a, err := Explain(p, "bob", c.path, policy.Write); err != nil || a.Allowed || a.Hint != c.hint {
			t.Errorf("%v %+v", err, a)
		}
	}
	if a, err := Explain(p, "eve", "/srv/static/img/i", policy.Read); err != nil || a.Hint != "file /srv/static/img/i read" {
		t.Errorf("%v %+v", err, a)
	}
}

// TestImmutableThroughLinks: what leads below an immutable place is told with both lines.
func TestImmutableThroughLinks(t *testing.T) {
	r := root{links: map[string]string{"/www": "/srv/static"}}
	_, _, err := newModule(parse(t, `@general
file /srv/static read immutable
file /www/upload read write
@user bob
file /www/x write
`), r, people)
	want := `p:4:1: file /www/upload read write gives write on /srv/static/upload, and file /srv/static read immutable (p:3) makes /srv/static immutable, expected a rule without write, or immutable for less
p:6:1: file /www/x write gives write on /srv/static/x, and file /srv/static read immutable (p:3) makes /srv/static immutable, expected a rule without write, or immutable for less`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v", err)
	}
}
