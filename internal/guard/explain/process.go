package explain

import (
	"fmt"
	"strings"

	"klw/hooks"
	"klw/hooks/seal"
	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/policy"
	"klw/internal/seccomp"
	"klw/netguard"
)

// becoming is what a policy says about becoming another user.
func becoming(p *policy.Policy, users func(string) (uint32, error)) seal.Users {
	u := seal.Users{Owners: map[uint32]string{}}
	if p.Seal {
		u.Seal = "seal"
	}
	for _, c := range p.Circles {
		if id, err := users(c.Owner.String()); err == nil && len(c.Reserves) > 0 {
			u.Owners[id] = c.Reserves[0].Pos.Rule()
		}
	}
	return u
}

// process answers about what isn't a file or a socket: becoming a user, making a system call, executing a program.
func (a Asked) process(q control.Question) (control.Answer, error) {
	switch q.Action {
	case "setuid":
		return a.setuid(q)
	case "syscall":
		return syscall(q.Call)
	case "exec":
		q.Perm = policy.Execute.String()
		return a.file(q)
	}
	return control.Answer{}, control.Errorf(control.CodeRequest, "action %q, expected setuid, syscall or exec", q.Action)
}

func (a Asked) setuid(q control.Question) (control.Answer, error) {
	from, who := netguard.AnyUser-1, anybody
	if q.User != "" {
		id, err := a.Users(q.User)
		if err != nil {
			return control.Answer{}, control.Errorf(control.CodeRequest, "%v", err)
		}
		from, who = id, q.User
	}
	to, err := a.Users(q.To)
	if err != nil {
		return control.Answer{}, control.Errorf(control.CodeRequest, "%v", err)
	}
	v, err := a.Setuid(from, to)
	if err != nil {
		return control.Answer{}, control.Errorf(control.CodeRequest, "%v", err)
	}
	if v.Refused() {
		return control.Answer{Rule: v.Rule, Hint: v.Hint, Text: fmt.Sprintf("refused: setuid to %s for %s (%s)\n%s", q.To, who, v.Rule, v.Hint)}, nil
	}
	return control.Answer{Allowed: true, Rule: hooks.NoRule,
		Text: fmt.Sprintf("allowed: setuid to %s for %s (no rule is against it)", q.To, who)}, nil
}

// syscall says what klw's filter makes of a system call. What some arguments make refused is allowed, with exceptions.
func syscall(name string) (control.Answer, error) {
	list, ok := seccomp.About(name)
	if !ok {
		return control.Answer{}, control.Errorf(control.CodeRequest, "this machine has no system call %q", name)
	}
	a := control.Answer{Allowed: true, Rule: hooks.NoRule}
	var except strings.Builder
	for _, r := range list {
		errno := audit.ErrnoName(r.Errno)
		if always(r) {
			a.Allowed, a.Hint = false, "no policy can allow it: "+r.Why
			a.Text = fmt.Sprintf("refused (%s): %s (%s)\n%s", errno, name, hooks.NoRule, a.Hint)
			return a, nil
		}
		fmt.Fprintf(&except, "\nrefused (%s): %s %s: %s", errno, name, when(r), r.Why)
	}
	a.Text = fmt.Sprintf("allowed: %s by klw's filter; the bundle's own may be stricter%s", name, except.String())
	return a, nil
}

// always tells whether a refusal is of every call, whatever the policy.
func always(r seccomp.Refusal) bool { return r.When == "" && !r.Asked && !r.Queues }

func when(r seccomp.Refusal) string {
	if r.Queues {
		return "where the rule for the message queues is none"
	}
	return r.When
}
