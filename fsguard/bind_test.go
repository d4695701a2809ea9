package fsguard

import (
	"strings"
	"syscall"
	"testing"

	"klw/hooks"
	"klw/internal/policy"
)

func TestLinksInRules(t *testing.T) {
	r := root{
		links:   map[string]string{"/lib": "/usr/lib", "/var/run": "/run", "/opt/app": "/opt/app-1", "/chain": "/mid", "/mid": "/end"},
		missing: map[string]bool{"/run/new": true, "/opt/app-1/data": true, "/later": true},
	}
	m, warnings, err := newModule(parse(t, `@general
file /lib read execute
file /usr/lib/private none
file /var/run/new/deep write
file /opt/app/data read
file /later/on read
file /run/same read
file /var/run/same read
file /chain/x read
`), r, people)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.String())
	}
	want := []string{
		"p:3:1: /lib leads to /usr/lib: the rule is about that",
		"p:5:1: /var/run/new/deep leads to /run/new/deep: the rule is about that",
		"p:6:1: /opt/app/data leads to /opt/app-1/data: the rule is about that",
		"p:10:1: /chain/x leads to /end/x: the rule is about that",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("warnings:\n%s", strings.Join(got, "\n"))
	}
	for i, c := range []struct {
		path string
		need policy.Perm
		want bool
	}{
		{"/usr/lib/libc.so", policy.Read | policy.Execute, true},
		{"/usr/lib/private/x", policy.Read, false},
		{"/lib/x", policy.Read, false},
		{"/run/new/deep/x", policy.Write, true},
		{"/run/new/x", policy.Write, false},
		{"/opt/app-1/data", policy.Read, true},
		{"/opt/app-1/x", policy.Read, false},
		{"/later/on", policy.Read, true},
	} {
		if v := m.Rules().object(m.Rules().general, file(c.path), c.need); v.Refused() == c.want {
			t.Errorf("%d: %+v", i, v)
		}
	}
	for name, want := range map[string]bool{"/lib": true, "/var/run": true, "/chain": true, "/mid": true, "/end": false, "/opt/app": true, "/opt/other": false, "/usr/lib": true, "/run": false} {
		v := m.Pre(&hooks.Call{Op: hooks.OpReadlink, File: link(name)})
		if v.Refused() == want {
			t.Errorf("readlink %s: %+v", name, v)
		}
	}
	if v := m.Pre(&hooks.Call{Op: hooks.OpReadlink, File: link("/lib", "/secret")}); !v.Refused() {
		t.Error("a link that has another name is readable by the one on the way")
	}
	if v := m.Pre(&hooks.Call{Op: hooks.OpUnlink, Dir: dir("/"), Name: "lib"}); !v.Refused() {
		t.Error("a link on the way may be removed")
	}
}

// TestBindErrors wants all that can't be bound reported at once.
func TestBindErrors(t *testing.T) {
	r := root{
		links: map[string]string{"/lib": "/usr/lib", "/l2": "/x"},
		fails: map[string]error{"/loop": syscall.ELOOP},
	}
	m, _, err := newModule(parse(t, `@general
file /lib none
file /usr/lib read
file /loop/x read
file /x read
@user nobody
file /y read
@user bob
file /l2 none
file /hole read
@user 1000
file /hole none
`), r, people)
	want := `p:4:1: file /usr/lib read and file /lib none (p:3) are about the same path /usr/lib, expected one of them
p:5:1: resolve /loop/x: too many levels of symbolic links, expected a path that can be followed
p:7:7: no user "nobody" in the container's /etc/passwd, expected a user of the container, or a number
p:10:1: file /l2 none and file /x read (p:6) are about the same path /x, expected one of them
p:13:1: file /hole none and file /hole read (p:11) are about the same path /hole, expected one of them`
	if m != nil || err == nil || err.Error() != want {
		t.Errorf("got\n%v", err)
	}
}

// TestGeneralNone wants "none" for all but the user who has a rule for the same path.
func TestGeneralNone(t *testing.T) {
	m := guard(t, "@general\nfile /k none\n@user root\nfile /k read\n")
	if m.Rules().of(0).find("/k", "").allows() != policy.Read || m.Rules().of(1).find("/k", "").allows() != policy.None {
		t.Error("root reads, nobody else")
	}
}

func TestSetuidWarning(t *testing.T) {
	p := parse(t, "@user root\nfile /r read\n@user bob\nfile /b read\n@user www-data\n")
	_, warnings, err := newModule(p, root{}, people, RootMaySetuid(true))
	if err != nil || len(warnings) != 1 || warnings[0].Pos.Line != 4 || !strings.Contains(warnings[0].Text, "can become bob") {
		t.Error(warnings, err)
	}
	if _, warnings, _ = newModule(p, root{}, people, RootMaySetuid(false)); len(warnings) != 0 {
		t.Error(warnings)
	}
}

func TestPasswd(t *testing.T) {
	u, err := Passwd(strings.NewReader("root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/:\nbob:x:0:0::/:\n\nbad line\n"))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := u.UID("bob"); id != 1000 || err != nil {
		t.Error(id, err)
	}
	if _, err := u.UID("eve"); err == nil || !strings.Contains(err.Error(), `no user "eve"`) {
		t.Error(err)
	}
	if _, err := u.UID("bad line"); err == nil {
		t.Error("a line without an id is a user")
	}
}

// TestUnviewed wants rules that nobody could enforce refused.
func TestUnviewed(t *testing.T) {
	r := root{links: map[string]string{"/dev/fd": "/proc/self/fd"}}
	p := parse(t, "@general\nfile / read\nfile /dev/null read\nfile /proc none\nfile /dev/fd/1 write\nfile /process read\n")
	_, _, err := newModule(p, r, people, Unviewed("/dev", "/proc"))
	want := `p:4:1: /dev/null lies on /dev, which the container has from the kernel: the rule can't be enforced, expected paths that a view shows
p:5:1: /proc lies on /proc, which the container has from the kernel: the rule can't be enforced, expected paths that a view shows
p:6:1: /dev/fd/1 lies on /proc, which the container has from the kernel: the rule can't be enforced, expected paths that a view shows`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v", err)
	}
}
