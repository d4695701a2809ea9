package netguard

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"klw/hooks"
	"klw/internal/policy"
)

// alone gives each policy of a stack as one without a stack.
func alone(p *policy.Policy) []*policy.Policy {
	list := []*policy.Policy{{RuleSet: p.RuleSet}}
	for _, l := range p.Stack {
		list = append(list, &policy.Policy{RuleSet: l.RuleSet})
	}
	return list
}

// TestStackRandom: a stack allows exactly what each of its policies allows, and says which one doesn't.
func TestStackRandom(t *testing.T) {
	allowed := 0
	rapid.Check(t, func(t *rapid.T) {
		p := genStack(t)
		r, err := NewRules(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			q := genQuestion(t)
			want, layer := true, ""
			for i, one := range alone(p) {
				a, err := Decide(one, nil, q)
				if err != nil {
					t.Fatal(err)
				}
				if want && !a.Allowed && i > 0 {
					layer = p.Stack[i-1].Name
				}
				want = want && a.Allowed
			}
			got := r.Decide(q)
			if got.Allowed != want || got.Layer != layer {
				t.Fatalf("%s: %+v, want %v by %q", q, got, want, layer)
			}
			if want && len(p.Stack) > 0 && got.Rule != hooks.NoRule {
				allowed++
			}
		}
	})
	if allowed < 20 {
		t.Errorf("only %d allowed by all", allowed)
	}
}

// genStack is a policy that up to three others are stacked on.
func genStack(t *rapid.T) *policy.Policy {
	p := genPolicy(t)
	for i := range rapid.IntRange(0, 3).Draw(t, "layers") {
		set := genPolicy(t).RuleSet
		if rapid.Bool().Draw(t, "wide") { // else nothing is left
			set.General.Sockets = append(set.General.Sockets, genRule(t),
				policy.SocketRule{Protocol: policy.TCP, Action: policy.Connect},
				policy.SocketRule{Protocol: policy.UDP, Action: policy.Connect},
				policy.SocketRule{Protocol: policy.Unix, Action: policy.Connect, Prefix: true},
				policy.SocketRule{Protocol: policy.TCP, Action: policy.Listen, Port: 80})
		}
		p.Stack = append(p.Stack, policy.Layer{Name: fmt.Sprint("l", i), RuleSet: set})
	}
	return p
}

// TestStackLines: a rule that is left has the line of the narrower one.
func TestStackLines(t *testing.T) {
	p := parse(t, "socket tcp connect 10.0.0.0/8:*\nsocket tcp connect 192.0.2.1:443\nsocket unix connect @a*\n")
	l := parse(t, "socket tcp connect 10.0.0.0/24:80\nsocket tcp connect :443\nsocket unix connect @ab\n")
	for i := range l.General.Sockets {
		l.General.Sockets[i].Pos.File = "layer.policy"
	}
	p.Stack = []policy.Layer{{Name: "layer", RuleSet: l.RuleSet}}
	r, err := NewRules(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range r.list {
		got = append(got, b.Pos.Rule()+" "+b.SocketRule.String())
	}
	want := `layer.policy:3 socket tcp connect 10.0.0.0/24:80
test.policy:3 socket tcp connect 10.0.0.0/8:443
test.policy:4 socket tcp connect 192.0.2.1:443
layer.policy:5 socket unix connect @ab`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	q := Question{Op: hooks.OpConnect, Protocol: policy.TCP, Addr: netip.MustParseAddrPort("10.1.0.1:80")}
	if a := r.Decide(q); a.Allowed || a.Layer != "layer" || a.Hint != "socket tcp connect 10.1.0.1:80 in the stacked policy layer" {
		t.Errorf("%+v", a)
	}
	q.Addr = netip.MustParseAddrPort("11.1.0.1:443")
	if a := r.Decide(q); a.Allowed || a.Layer != "" || a.Hint != "socket tcp connect 11.1.0.1:443" {
		t.Errorf("%+v", a)
	}
}

// TestStackSize: large policies that differ stack to what they share; those that overlap everywhere are refused.
func TestStackSize(t *testing.T) {
	const n = 20_000
	rules := func(write func(i int, r *policy.SocketRule)) (set policy.RuleSet) {
		for i := range n {
			r := policy.SocketRule{Protocol: policy.TCP, Action: policy.Connect, Pos: policy.Pos{File: "p", Line: i + 1}}
			write(i, &r)
			set.General.Sockets = append(set.General.Sockets, r)
		}
		return set
	}
	hosts := func(port uint16) func(int, *policy.SocketRule) {
		return func(i int, r *policy.SocketRule) {
			r.Net, r.Port = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32), port
		}
	}
	ports := func(i int, r *policy.SocketRule) { r.Port = uint16(i + 1) }
	p := &policy.Policy{RuleSet: rules(hosts(443)), Stack: []policy.Layer{{Name: "same", RuleSet: rules(hosts(0))}}}
	r, err := NewRules(p, nil)
	if err != nil || len(r.list) != n {
		t.Fatalf("%v", err)
	}
	p.Stack = append(p.Stack, policy.Layer{Name: "ports", RuleSet: rules(ports)})
	if r, err = NewRules(p, nil); err != nil || len(r.list) != n {
		t.Fatalf("%v", err)
	}
	p = &policy.Policy{RuleSet: rules(hosts(0)), Stack: []policy.Layer{{Name: "ports", RuleSet: rules(ports)}}}
	want := "stacked policy ports: p:1: together with the policies below, its socket rules come to more than 100000: " +
		"write fewer, wider ones in one of them"
	if _, err = NewRules(p, nil); err == nil || !strings.HasPrefix(err.Error(), "stacked policy ports: p:") ||
		!strings.HasSuffix(err.Error(), want[len("stacked policy ports: p:1"):]) {
		t.Errorf("%v", err)
	}
}
