package fsguard

import (
	"os"
	"testing"

	"klw/hooks"
	"klw/internal/policy"
)

func TestExplain(t *testing.T) {
	p := parse(t, web)
	m := guard(t, web)
	for i, c := range []struct {
		user, path string
		need       policy.Perm
		want       string
	}{
		{"www-data", "/etc/passwd", policy.Read, "allowed: read of /etc/passwd for www-data (p:4: file /etc read)"},
		{"www-data", "/etc/../etc/x/", policy.Write, "refused: write of /etc/x for www-data (p:4: file /etc read)\nwould be allowed by: file /etc/x read write"},
		{"root", "/etc/ssl/private/k", policy.Read, "allowed: read of /etc/ssl/private/k for root (p:14: file /etc/ssl/private read)"},
		{"bob", "/etc/ssl/private/k", policy.Read, "refused: read of /etc/ssl/private/k for bob (p:5: file /etc/ssl/private none)\nwould be allowed by: file /etc/ssl/private/k read"},
		{"bob", "/var", policy.Read | policy.Write, "refused: read write of /var for bob (no rule)\nwould be allowed by: file /var read write"},
	} {
		a, err := Explain(p, c.user, c.path, c.need)
		if err != nil || a.String() != c.want {
			t.Errorf("%d: %v\n%s", i, err, a)
		}
		b, err := m.Rules().Explain(c.user, c.path, c.need)
		if err != nil || a != b {
			t.Errorf("%d: %v\npolicy %+v\nmodule %+v", i, err, a, b)
		}
	}
	if a, err := Explain(p, "eve", "/etc/passwd", policy.Read); err != nil || !a.Allowed {
		t.Error("somebody without rules of his own", a, err)
	}
	if a, err := m.Rules().Explain("1000", "/home/bob/x", policy.Write); err != nil || !a.Allowed {
		t.Error("by number", a, err)
	}
	if _, err := m.Rules().Explain("eve", "/", policy.Read); err == nil {
		t.Error("an unknown user has an answer")
	}
	if _, err := Explain(p, "bob", "x", policy.Read); err == nil {
		t.Error("a relative path has an answer")
	}
	if _, err := Explain(p, "bob", "/x", policy.None); err == nil {
		t.Error("no permission has an answer")
	}
}

// TestExplainNames wants links followed, where they may be read, and every name counted.
func TestExplainNames(t *testing.T) {
	g := serve(t, "@general\nfile /srv read write\nfile /srv/named read\nfile /link read\n", map[string]string{"proc/": "", "srv/named": "n", "usr/x": "x"})
	check(t, os.Link(g.source+"/srv/named", g.source+"/srv/other"))
	check(t, os.Symlink("srv", g.source+"/link"))
	check(t, os.Symlink("../srv", g.source+"/usr/link"))
	m, _, err := newModule(parse(t, "@general\nfile /srv read write\nfile /srv/named read\nfile /link read\n"), g.server, people)
	check(t, err)
	for i, c := range []struct {
		path string
		need policy.Perm
		want string
	}{
		{"/link/new", policy.Write, "allowed: write of /link/new, which is /srv/new, for bob (p:3: file /srv read write)"},
		{"/link/other", policy.Read, "allowed: read of /link/other, which is /srv/other, for bob (p:3: file /srv read write)"},
		{"/srv/other", policy.Write, "refused: write of /srv/other, which is /srv/named, for bob (p:4: file /srv/named read)\nwould be allowed by: file /srv/named read write"},
		{"/usr/link/new", policy.Write, "refused: read of /usr/link/new, which is /usr/link, for bob (no rule)\nwould be allowed by: file /usr/link read"},
		{"/usr/x", policy.Read, "refused: read of /usr/x for bob (no rule)\nwould be allowed by: file /usr/x read"},
	} {
		if a, err := m.Rules().Explain("bob", c.path, c.need); err != nil || a.String() != c.want {
			t.Errorf("%d: %v\n%s", i, err, a)
		}
	}
}

// TestExplainStack wants the first module that refuses named, with the change that it would take.
func TestExplainStack(t *testing.T) {
	resolve := func(name string) (string, []byte, error) {
		return name + ".policy", []byte(map[string]string{
			"one": "@general\nfile /srv read\n@user bob\nfile /srv/bob read write\n",
			"two": "@general\nfile /srv/b read execute\nfile /srv/bob read write\n",
		}[name]), nil
	}
	p, err := policy.ParseWith("p", []byte("application x\nstack one\nstack two\n@general\nfile /srv read write execute\nfile /srv/no none\n"), resolve)
	check(t, err)
	for i, c := range []struct {
		user, path string
		need       policy.Perm
		want       string
	}{
		{"bob", "/srv/bob/x", policy.Write, "allowed: write of /srv/bob/x for bob (p:5: file /srv read write execute)"},
		{"www-data", "/srv/bob/x", policy.Write, "refused: write of /srv/bob/x for www-data (one.policy:2: file /srv read in the stacked policy one)\n" +
			"would be allowed by: file /srv/bob/x read write in the stacked policy one"},
		{"www-data", "/srv/no", policy.Read, "refused: read of /srv/no for www-data (p:6: file /srv/no none)\nwould be allowed by: file /srv/no read"},
		{"www-data", "/srv/c", policy.Read, "refused: read of /srv/c for www-data (no rule in the stacked policy two)\nwould be allowed by: file /srv/c read in the stacked policy two"},
	} {
		a, err := Explain(p, c.user, c.path, c.need)
		if err != nil || a.String() != c.want {
			t.Errorf("%d: %v\n%s", i, err, a)
		}
		b, _, err := BindPolicy(p, root{}, people)
		check(t, err)
		if got, err := b.Explain(c.user, c.path, c.need); err != nil || got != a {
			t.Errorf("%d: %v\npolicy %+v\nmodules %+v", i, err, a, got)
		}
	}
	for _, root := range []string{"root", "0"} {
		for _, line := range []string{"@user root", "@user 0"} {
			if a, err := Explain(parse(t, line+"\nfile /x read\n"), root, "/x", policy.Read); err != nil || !a.Allowed {
				t.Errorf("%s asked about %s: %v %v", line, root, a, err)
			}
		}
	}
}

// empty is a container in which there is nothing yet.
type empty struct{ root }

func (empty) Follow(path string) (hooks.File, string, []string, error) { return nil, path, nil, nil }

// TestExplainCircles wants the same answer without a container and in one.
func TestExplainCircles(t *testing.T) {
	p := parse(t, `@general
file /srv read write execute
file /home read
@circle bob
reserve /srv/bob write
reserve /srv/own read write
@circle 33
reserve /home/www write
`)
	b, _, err := BindPolicy(p, empty{}, people)
	check(t, err)
	for i, c := range []struct {
		user, path string
		need       policy.Perm
		want       string
	}{
		{"root", "/srv/bob/x", policy.Read | policy.Execute, "allowed: read execute of /srv/bob/x for root (p:3: file /srv read write execute)"},
		{"root", "/srv/bob/x", policy.Write, "refused: write of /srv/bob/x for root (p:6: reserve /srv/bob write)\n" +
			"would be allowed by: being user bob, for whom it is reserved: reserve /srv/bob write"},
		{"bob", "/srv/own", policy.Write, "allowed: write of /srv/own for bob (p:3: file /srv read write execute)"},
		{"www-data", "/srv/own", policy.Execute, "refused: execute of /srv/own for www-data (p:7: reserve /srv/own read write)\n" +
			"would be allowed by: being user bob, for whom it is reserved: reserve /srv/own read write"},
		{"33", "/home/www", policy.Write, "refused: write of /home/www for 33 (p:4: file /home read)\nwould be allowed by: file /home/www read write"},
	} {
		a, err := Explain(p, c.user, c.path, c.need)
		if err != nil || a.String() != c.want {
			t.Errorf("%d: %v\n%s", i, err, a)
		}
		if got, err := b.Explain(c.user, c.path, c.need); err != nil || got != a {
			t.Errorf("%d: %v\npolicy  %+v\nmodules %+v", i, err, a, got)
		}
	}
}
