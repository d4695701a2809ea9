package policy

import (
	"errors"
	"fmt"
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

// TestLongLineOfAMegabyte wants it told, and nothing of what it says.
func TestLongLineOfAMegabyte(t *testing.T) {
	for _, line := range []string{
		strings.Repeat("x", 1<<20), "file /" + strings.Repeat("a/", 1<<19) + "b read", "\"" + strings.Repeat("\x00", 1<<20), strings.Repeat("\xff", 1<<20),
	} {
		_, err := Parse("x", []byte("application a\n"+line+"\n"))
		want := fmt.Sprintf("x:2:1: the line has %d bytes, expected at most 65536 bytes", len(line))
		if err == nil || err.Error() != want {
			t.Errorf("got %.200v", err)
		}
	}
}

// TestManyLines wants big policies parsed in time that grows with their length, not with its square: of 100,000 lines
// the square would not end here.
func TestManyLines(t *testing.T) {
	const n = 100_000
	for name, c := range map[string]struct {
		head string
		line func(i int) string
		bad  string // what the last of the mistakes is
	}{
		"rules": {"@general", func(i int) string {
			return fmt.Sprintf("file /srv/%s/%d read revocable", strings.Repeat("x", i%50+1), i)
		}, ""},
		"one rule":     {"@general", func(int) string { return "file /srv read" }, "x:100002:6: /srv stands in @general twice (line 3), expected one line for a path"},
		"immutable":    {"@general", func(i int) string { return fmt.Sprintf("file /%d/x read immutable", i) }, ""},
		"sockets":      {"@general", func(i int) string { return fmt.Sprintf("socket unix connect @%d", i) }, ""},
		"users":        {"", func(i int) string { return fmt.Sprintf("@user u%d\nfile / read", i) }, ""},
		"publish":      {"", func(i int) string { return fmt.Sprintf("publish tcp 10.%d.%d.%d:80 -> 80", i>>16, i>>8&255, i&255) }, "x:100001:1: port 80 is published but nothing may listen on it, expected a rule: socket tcp listen :80"},
		"circles":      {"", func(i int) string { return fmt.Sprintf("@circle u%d\nreserve /a/b/c/%d write", i, i) }, ""},
		"reserves":     {"@circle bob", func(i int) string { return fmt.Sprintf("reserve /a/%d write", i) }, ""},
		"replications": {"@replicate", func(i int) string { return fmt.Sprintf("/a/%d -> b/%d", i, i) }, ""},
		"expectations": {"@test", func(i int) string { return fmt.Sprintf("allow file /a/%d read as u%d", i, i%7) }, ""},
		"includes":     {"", func(i int) string { return fmt.Sprintf("include i%d", i) }, "x:100001:9: can't include i99999, expected a policy that needs no other files here"},
		"stack":        {"", func(i int) string { return fmt.Sprintf("stack i%d", i) }, "x:100001:7: can't stack i99999, expected a policy that needs no other files here"},
		"nonsense":     {"", strconv.Itoa, `x:100001:1: unknown word "99999", expected application, users, compartment, include, stack, seal or publish, or a section`},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("application a\n")
			if c.head != "" {
				b.WriteString(c.head + "\n")
			}
			for i := range n {
				b.WriteString(c.line(i) + "\n")
			}
			_, err := Parse("x", []byte(b.String()))
			if got := lastLine(err); got != c.bad {
				t.Errorf("got %q", got)
			}
		})
	}
}

func lastLine(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	return text[strings.LastIndexByte(text, '\n')+1:]
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
