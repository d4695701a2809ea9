package policy

import (
	"errors"
	"strings"
	"testing"
)

func TestResolveHomes(t *testing.T) {
	text := `application a
stack more
@user bob
file ~ read
file ~/mail write
file /etc read
@user 7
file ~/x execute
`
	more := "@user eve\nfile ~/z read\n"
	parse := func() *Policy {
		p, err := ParseWith("p", []byte(text), func(string) (string, []byte, error) { return "more.policy", []byte(more), nil })
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := parse()
	asked := 0
	err := p.ResolveHomes(func(u User) (string, error) {
		asked++
		return map[string]string{"bob": "/home/bob/", "7": "/srv/seven", "eve": "/home/eve"}[u.String()], nil
	})
	if err != nil || asked != 3 {
		t.Fatal(err, asked)
	}
	want := "@user bob\nfile /home/bob read\nfile /home/bob/mail write\nfile /etc read\n\n@user 7\nfile /srv/seven/x execute\n"
	if got := p.String(); !strings.Contains(got, want) {
		t.Errorf("%s\nwant in it\n%s", got, want)
	}
	if got := p.Stack[0].PerUser[0].Files[0].Path; got != "/home/eve/z" {
		t.Errorf("in the layer: %s", got)
	}
	for home, says := range map[string]string{
		"/": "p:4:1: the home of bob: it is /", "//": "it is /", "": "no absolute path", "x": `"x" is no absolute path`,
	} {
		p := parse()
		before := p.String()
		err := p.ResolveHomes(func(User) (string, error) { return home, nil })
		var list ErrorList
		if !errors.As(err, &list) || len(list) != 3 || !strings.Contains(err.Error(), says) {
			t.Errorf("home %q: %v", home, err)
		}
		if p.String() != before {
			t.Errorf("home %q: the policy has changed", home)
		}
	}
}
