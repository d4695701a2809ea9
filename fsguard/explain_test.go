package fsguard

import (
	"testing"

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
		b, err := m.Explain(c.user, c.path, c.need)
		if err != nil || a != b {
			t.Errorf("%d: %v\npolicy %+v\nmodule %+v", i, err, a, b)
		}
	}
	if a, err := m.Explain("1000", "/home/bob/x", policy.Write); err != nil || !a.Allowed {
		t.Error("by number", a, err)
	}
	if _, err := m.Explain("eve", "/", policy.Read); err == nil {
		t.Error("an unknown user has an answer")
	}
	if _, err := Explain(p, "bob", "x", policy.Read); err == nil {
		t.Error("a relative path has an answer")
	}
	if _, err := Explain(p, "bob", "/x", policy.None); err == nil {
		t.Error("no permission has an answer")
	}
}
