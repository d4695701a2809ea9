package guard

import (
	"fmt"
	"strings"

	"klw/hooks"
	"klw/internal/control"
	"klw/internal/guard/explain"
	"klw/internal/handshake"
	"klw/internal/policy"
	"klw/internal/view"
	"klw/netguard"
)

// explain answers by the rules as they are bound to this container.
func (g *guard) explain(q control.Question) (control.Answer, error) {
	now := g.now.Load()
	return g.asked(now.policy, now.binding).Answer(q)
}

// asked gives those who answer for a policy that is bound to this container, in force or not.
func (g *guard) asked(p *policy.Policy, b *binding) explain.Asked {
	return explain.Asked{
		Files: b.Explain,
		Sockets: func(q netguard.Question) (netguard.Answer, error) {
			rules, err := netguard.NewRules(p, g.users.UID)
			if err != nil {
				return netguard.Answer{}, err
			}
			return rules.Decide(q), nil
		},
		Users: g.users.UID,
		Setuid: func(from, to uint32) (hooks.Verdict, error) {
			id, ok := g.insideID(to)
			if !ok {
				return hooks.Verdict{}, fmt.Errorf("the container has no such user")
			}
			return g.becoming().Explain(from, id), nil
		},
	}
}

// checkTests refuses a policy that doesn't answer here as its own section @test expects.
func (g *guard) checkTests(p *policy.Policy, b *binding) error {
	failed, err := g.asked(p, b).Unmet(p.Tests)
	if err != nil {
		return control.Errorf(control.CodePolicy, "%v", err)
	}
	var lines []string
	for _, f := range failed {
		lines = append(lines, fmt.Sprintf("%s: not as expected (%s): %s", f.Pos, f.Expectation, f.Answer.Text))
	}
	if lines == nil {
		return nil
	}
	return control.Errorf(control.CodePolicy, "%s", strings.Join(lines, "\n"))
}

// viewStatus describes a view.
func viewStatus(v *view.View, m handshake.Mount) control.View {
	s := control.View{
		Destination: m.Destination, Source: m.Source, Mode: "asked", ReadOnly: m.ReadOnly, Passthrough: v.Passthrough(),
	}
	if !s.Passthrough {
		s.Why = "this kernel's FUSE has no passthrough (Linux 6.9 or later has): data goes through the guard"
	}
	select {
	case <-v.Done():
	default:
		s.Alive = true
	}
	return s
}
