package policy

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// meaning compares policies without the places where they stand.
var meaning = cmp.Options{
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Pos" }, cmp.Ignore()),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
}

// again parses what a policy prints as, with the files that it stacks, and compares.
func again(t interface{ Fatalf(string, ...any) }, p *Policy, resolve Resolver) {
	q, err := ParseWith(p.Name, []byte(p.String()), resolve)
	if err != nil {
		t.Fatalf("%v\n%s", err, p)
	}
	if diff := cmp.Diff(p, q, meaning); diff != "" {
		t.Fatalf("printed -, parsed again +:\n%s\n%s", diff, p)
	}
}

// TestRoundTrip prints random policies and parses them again.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		again(t, p, func(name string) (string, []byte, error) { return name, []byte(layerText(p, name)), nil })
	})
}

// layerText writes the file of a layer.
func layerText(p *Policy, name string) string {
	var b strings.Builder
	for _, l := range p.Stack {
		if l.Name == name {
			l.RuleSet.print(&b)
		}
	}
	for _, c := range p.Circles {
		for _, r := range c.Reserves {
			if r.Layer == name {
				b.WriteString("@circle " + c.Owner.String() + "\n" + r.String() + "\n")
			}
		}
	}
	return b.String()
}

func drawPolicy(t *rapid.T) *Policy {
	p := &Policy{Name: "x", Application: "app", Seal: rapid.Bool().Draw(t, "seal"), OwnProcesses: rapid.Bool().Draw(t, "processes")}
	p.Compartment = rapid.SampledFrom([]string{"", "web", "a.b-c_d"}).Draw(t, "compartment")
	p.Users = rapid.SliceOfNDistinct(drawUser(), 0, 3, User.String).Draw(t, "users")
	if len(p.Users) == 0 {
		p.Users = nil
	}
	p.RuleSet = drawSet(t)
	layers := []string{""}
	for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,4}`), 0, 2, rapid.ID).Draw(t, "stack") {
		p.Stack = append(p.Stack, Layer{Name: name, RuleSet: drawSet(t)})
		layers = append(layers, name)
	}
	p.Circles = drawCircles(t, layers)
	p.Tests = drawExpectations(t)
	if rapid.Bool().Draw(t, "publish") {
		listen := SocketRule{Protocol: UDP, Action: Listen, Port: 7}
		p.General.Sockets = append(p.General.Sockets, listen)
		for i := range p.Stack {
			p.Stack[i].General.Sockets = append(p.Stack[i].General.Sockets, listen)
		}
		p.Publish = []Publish{{Protocol: UDP, Host: netip.MustParseAddrPort("[::1]:53"), Port: 7}}
	}
	if rapid.Bool().Draw(t, "replicate") {
		p.Replicate = []Replicate{{Source: drawPath(t), Destination: strings.TrimPrefix(drawPath(t), "/")}}
		if p.Replicate[0].Destination == "" {
			p.Replicate[0].Destination = "b"
		}
	}
	return p
}

// drawSet gives the rules of a module, some of them immutable. No circle is below these: see drawCircles.
func drawSet(t *rapid.T) (s RuleSet) {
	s.General = drawRules(t, Read)
	for _, u := range rapid.SliceOfNDistinct(drawUser(), 0, 3, User.String).Draw(t, "lists") {
		s.PerUser = append(s.PerUser, UserRules{u, drawRules(t, Write)})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "immutable") {
		f := FileRule{Path: "/immutable" + drawPath(t) + strconv.Itoa(i), Immutable: true}
		f.Perm = Perm(rapid.IntRange(0, 7).Draw(t, "perm")) &^ Write
		f.Revocable = f.Perm&Read != 0 && rapid.Bool().Draw(t, "revocable")
		s.General.Files = append(s.General.Files, f)
	}
	return s
}

// drawCircles gives circles of paths apart from each other, in each the policy's own lines first.
func drawCircles(t *rapid.T, layers []string) (list []Circle) {
	n := 0
	for _, u := range rapid.SliceOfNDistinct(drawUser(), 0, 3, User.String).Draw(t, "owners") {
		c := Circle{Owner: u}
		for _, layer := range layers {
			for range rapid.IntRange(0, 2).Draw(t, "reserves") {
				n++
				perm := rapid.SampledFrom([]Perm{Write, Read | Write}).Draw(t, "reserved")
				c.Reserves = append(c.Reserves, Reserve{Path: "/" + strconv.Itoa(n) + "." + drawPath(t)[1:] + "x", Perm: perm, Layer: layer})
			}
		}
		list = append(list, c)
	}
	return list
}

// drawExpectations gives different questions.
func drawExpectations(t *rapid.T) (list []Expectation) {
	seen := map[string]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "expectations") {
		e := Expectation{Allowed: rapid.Bool().Draw(t, "allowed")}
		if rapid.Bool().Draw(t, "somebody's") {
			e.User = drawUser().Draw(t, "user").String()
		}
		if rapid.Bool().Draw(t, "file") {
			e.File = &FileRule{Path: drawPath(t), Perm: Perm(rapid.IntRange(1, 7).Draw(t, "asked"))}
		} else {
			s := drawSocket(t)
			s.Prefix = false
			if s.Protocol != Unix {
				s.Port = max(s.Port, 1)
				s.Net = netip.MustParsePrefix(rapid.SampledFrom([]string{"10.0.0.1/32", "fd00::1/128"}).Draw(t, "address"))
			}
			e.Socket = &s
		}
		_, question, _ := strings.Cut(e.String(), " ")
		if !seen[question] {
			seen[question] = true
			list = append(list, e)
		}
	}
	return list
}

func drawUser() *rapid.Generator[User] {
	return rapid.OneOf(
		rapid.Map(rapid.Uint32Max(1<<32-2), func(id uint32) User { return User{ID: id, HasID: true} }),
		rapid.Map(rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_.-]{0,8}\$?`), func(n string) User { return User{Name: n} }))
}

// drawRules gives lists with distinct paths; always is given everywhere, so that no "none" meets another list.
func drawRules(t *rapid.T, always Perm) (r Rules) {
	seen := map[string]bool{}
	for range rapid.IntRange(0, 5).Draw(t, "files") {
		f := FileRule{Path: drawPath(t), Perm: always | Perm(rapid.IntRange(0, 7).Draw(t, "perm"))}
		f.Revocable = rapid.Bool().Draw(t, "revocable")
		if !seen[f.Path] && !Below(f.Path, "/immutable") {
			seen[f.Path] = true
			r.Files = append(r.Files, f)
		}
	}
	sockets := map[SocketRule]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "sockets") {
		s := drawSocket(t)
		if !sockets[s] && !(s.Protocol == UDP && s.Action == Listen) {
			sockets[s] = true
			r.Sockets = append(r.Sockets, s)
		}
	}
	return r
}

// drawPath gives absolute, clean paths of any bytes but NUL.
func drawPath(t *rapid.T) string {
	part := rapid.OneOf(
		rapid.StringMatching(`[a-z#"\\ *@]{1,5}`),
		rapid.Map(rapid.SliceOfN(rapid.ByteRange(1, 255), 1, 6), func(b []byte) string { return string(b) }),
		rapid.StringN(1, 5, 20))
	s := ""
	for range rapid.IntRange(0, 4).Draw(t, "parts") {
		p := strings.NewReplacer("/", "x", "\x00", "y").Replace(part.Draw(t, "part"))
		if p != "." && p != ".." {
			s += "/" + p
		}
	}
	if s == "" {
		return "/"
	}
	return s
}

func drawSocket(t *rapid.T) SocketRule {
	r := SocketRule{Protocol: rapid.SampledFrom([]Protocol{TCP, UDP, Unix}).Draw(t, "protocol")}
	r.Action = rapid.SampledFrom([]SocketAction{Listen, Connect}).Draw(t, "action")
	if r.Protocol == Unix {
		r.Prefix = rapid.Bool().Draw(t, "prefix")
		r.Abstract = drawPath(t)[1:] + "x"
		return r
	}
	r.Port = rapid.Uint16().Draw(t, "port")
	nets := []string{"10.0.0.0/24", "10.0.0.1/32", "0.0.0.0/0", "fd00::/8", "fd00::1/128", "::/0"}
	if n := rapid.IntRange(0, len(nets)).Draw(t, "net"); n > 0 {
		r.Net = netip.MustParsePrefix(nets[n-1])
	}
	return r
}

// FuzzParse looks for input that panics, gives a policy in part, or prints as something else. other is the text of
// whatever the policy includes or stacks.
func FuzzParse(f *testing.F) {
	rules := []byte("@general\nfile /srv read immutable\nsocket tcp listen :80\n@circle bob\nreserve /home write\n")
	f.Add([]byte("application a\nusers root 33\n@general\nfile \"/a b\\xff\" read # c\nsocket tcp listen :80\n"), rules)
	f.Add([]byte("application a\npublish tcp [::1]:80 -> 80\n@user 0\nsocket tcp listen [::]:*\n@replicate\n/a -> b\n"), rules)
	f.Add([]byte("application a\ninclude x\n@general\nsocket unix connect \"@a\"*\nfile /\xff none\n"), rules)
	f.Add([]byte("application a\ninclude x\nstack x\n@circle eve\nreserve /a read write\n"), rules)
	f.Add([]byte("application a\nstack x\nstack y\n@general\nfile /a read write revocable\nfile /b immutable\n"), []byte("stack z\n"))
	f.Add([]byte("application a\n@test\nallow file /a read as bob\nrefuse socket tcp connect 10.0.0.1:80\nallow socket unix listen @x as 0\n"), rules)
	f.Fuzz(func(t *testing.T, src, other []byte) {
		found := func(string) (string, []byte, error) { return "other", other, nil }
		for _, r := range []Resolver{nil, found} {
			p, err := ParseWith("x", src, r)
			if err == nil {
				again(t, p, r)
				continue
			}
			var list ErrorList
			if p != nil || !errors.As(err, &list) || len(list) == 0 {
				t.Fatalf("policy %v, error %#v", p, err)
			}
			for _, e := range list {
				if e.Pos.Line < 1 || e.Pos.Col < 1 || strings.Contains(e.Error(), "\n") {
					t.Fatalf("%#v", e)
				}
			}
		}
	})
}
