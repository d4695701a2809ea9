package guard

import (
	"fmt"

	"klw/hooks"
	"klw/internal/control"
	"klw/internal/guard/explain"
	"klw/internal/handshake"
	"klw/internal/view"
	"klw/netguard"
)

// explain answers by the rules as they are bound to this container.
func (g *guard) explain(q control.Question) (control.Answer, error) {
	now := g.now.Load()
	return explain.Asked{
		Files: now.binding.Explain,
		Sockets: func(q netguard.Question) (netguard.Answer, error) {
			rules, err := netguard.NewRules(now.policy, g.users.UID)
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
	}.Answer(q)
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
