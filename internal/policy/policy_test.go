package policy

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

// TestLongLines wants lines up to the limit read, and one byte more reported.
func TestLongLines(t *testing.T) {
	fill := "application a #"
	fits := fill + strings.Repeat("x", MaxLine-len(fill))
	if _, err := Parse("x", []byte(fits+"\n@general\n")); err != nil {
		t.Error(err)
	}
	_, err := Parse("x", []byte("application a\n"+fits+"y\n@genral\n"))
	want := "x:2:1: the line has 65537 bytes, expected at most 65536 bytes\n" +
		`x:3:1: unknown section "@genral", expected @general, @user, @circle, @replicate or @test (did you mean @general?)`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestLongNames(t *testing.T) {
	name := strings.Repeat("n", 255)
	long := strings.Repeat("/"+name, 16)[:4095]
	for path, bad := range map[string]string{
		"/" + name: "", "/" + name + "n": "a name of 256 bytes", long: "", long + "n": "a path of 4096 bytes",
	} {
		_, err := Parse("x", []byte("application a\n@general\nfile "+path+" read\n"))
		if (err == nil) != (bad == "") || err != nil && !strings.Contains(err.Error(), bad) {
			t.Errorf("%d bytes: %v", len(path), err)
		}
	}
}

// TestManyRules wants a big policy parsed in time that grows with its length, not with its square.
func TestManyRules(t *testing.T) {
	var b strings.Builder
	b.WriteString("application a\n@general\n")
	for i := range 100_000 {
		b.WriteString("file /srv/" + strings.Repeat("x", i%50+1) + "/" + string(rune('a'+i%26)) + strconv.Itoa(i) + " read\n")
	}
	p, err := Parse("x", []byte(b.String()))
	if err != nil || len(p.General.Files) != 100_000 {
		t.Fatal(err)
	}
}

func TestPermits(t *testing.T) {
	p := &Policy{Users: []User{{Name: "root"}, {ID: 33, HasID: true}}}
	for _, c := range []struct {
		uid  uint32
		name string
		want bool
	}{{0, "root", true}, {0, "", false}, {33, "", true}, {33, "www-data", true}, {34, "www-data", false}, {5, "root", true}} {
		if got := p.Permits(c.uid, c.name); got != c.want {
			t.Errorf("%d %q: %v", c.uid, c.name, got)
		}
	}
	if !(&Policy{}).Permits(1234, "") {
		t.Error("without a users line anybody may")
	}
}

// TestIncludeOnce wants a file that many include joined once, and an include without a resolver refused.
func TestIncludeOnce(t *testing.T) {
	n := 0
	resolve := func(name string) (string, []byte, error) {
		if name == "base" {
			n++
			return name, []byte("@general\nfile /usr read\n"), nil
		}
		return name, []byte("include base\n"), nil
	}
	p, err := ParseWith("x", []byte("application a\ninclude one\ninclude two\ninclude base\n"), resolve)
	if err != nil || n != 1 || len(p.General.Files) != 1 || p.General.Files[0].Pos.Rule() != "base:2" {
		t.Errorf("%v, read %d times, %v", err, n, p)
	}
	_, err = Parse("x", []byte("application a\ninclude one\n"))
	var list ErrorList
	if !errors.As(err, &list) || list[0].Pos != (Pos{"x", 2, 9}) {
		t.Errorf("without a resolver: %v", err)
	}
}

func TestBelow(t *testing.T) {
	for _, c := range []struct {
		path, dir string
		want      bool
	}{
		{"/srv", "/srv", true}, {"/srv/a", "/srv", true}, {"/srvx", "/srv", false}, {"/", "/srv", false},
		{"/srv", "/", true}, {"/", "/", true}, {"a/b", "a", true}, {"ab", "a", false},
	} {
		if got := Below(c.path, c.dir); got != c.want {
			t.Errorf("Below(%q, %q) = %v", c.path, c.dir, got)
		}
	}
}
