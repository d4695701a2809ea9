package policy

import (
	"errors"
	"net/netip"
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

// again parses what a policy prints as and compares.
func again(t interface{ Fatalf(string, ...any) }, p *Policy) {
	q, err := Parse(p.Name, []byte(p.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, p)
	}
	if diff := cmp.Diff(p, q, meaning); diff != "" {
		t.Fatalf("printed -, parsed again +:\n%s\n%s", diff, p)
	}
}

// TestRoundTrip prints random policies and parses them again.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { again(t, drawPolicy(t)) })
}

func drawPolicy(t *rapid.T) *Policy {
	p := &Policy{Name: "x", Application: "app", Seal: rapid.Bool().Draw(t, "seal")}
	p.Compartment = rapid.SampledFrom([]string{"", "web", "a.b-c_d"}).Draw(t, "compartment")
	users := rapid.SliceOfNDistinct(drawUser(), 0, 3, User.String)
	p.Users = rapid.SliceOfNDistinct(drawUser(), 0, 3, User.String).Draw(t, "users")
	if len(p.Users) == 0 {
		p.Users = nil
	}
	p.General = drawRules(t, Read)
	for _, u := range users.Draw(t, "lists") {
		p.PerUser = append(p.PerUser, UserRules{u, drawRules(t, Write)})
	}
	if rapid.Bool().Draw(t, "publish") {
		p.General.Sockets = append(p.General.Sockets, SocketRule{Protocol: UDP, Action: Listen, Port: 7})
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
		if !seen[f.Path] {
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

// FuzzParse looks for input that panics, gives a policy in part, or prints as something else.
func FuzzParse(f *testing.F) {
	f.Add([]byte("application a\nusers root 33\n@general\nfile \"/a b\\xff\" read # c\nsocket tcp listen :80\n"))
	f.Add([]byte("application a\npublish tcp [::1]:80 -> 80\n@user 0\nsocket tcp listen [::]:*\n@replicate\n/a -> b\n"))
	f.Add([]byte("application a\ninclude x\n@general\nsocket unix connect \"@a\"*\nfile /\xff none\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		included := func(string) (string, []byte, error) { return "again", src, nil }
		for _, r := range []Resolver{nil, included} {
			p, err := ParseWith("x", src, r)
			if err == nil {
				again(t, p)
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
