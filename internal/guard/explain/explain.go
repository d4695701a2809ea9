// Package explain answers "may it?" from a policy: what "klwctl policy explain" asks of a file or of a guard.
package explain

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"klw/fsguard"
	"klw/hooks"
	"klw/internal/control"
	"klw/internal/policy"
	"klw/netguard"
)

// Asked are those who know the rules.
type Asked struct {
	Files   func(user, path string, need policy.Perm) (fsguard.Answer, error)
	Sockets func(netguard.Question) (netguard.Answer, error)
	Users   func(user string) (uint32, error) // ids of users by name or number
	Setuid  func(from, to uint32) (hooks.Verdict, error)
}

// FromPolicy asks a policy without a container. Users' names are known as far as the policy names them, and no ids.
func FromPolicy(p *policy.Policy) Asked {
	users := namesOf(p)
	return Asked{
		Files: func(user, path string, need policy.Perm) (fsguard.Answer, error) {
			return fsguard.Explain(p, user, path, need)
		},
		Sockets: func(q netguard.Question) (netguard.Answer, error) { return netguard.Decide(p, users, q) },
		Users:   users,
		Setuid: func(from, to uint32) (hooks.Verdict, error) {
			return becoming(p, users).Explain(from, to), nil
		},
	}
}

// namesOf gives made-up ids to the names in a policy: enough to tell them apart.
func namesOf(p *policy.Policy) func(string) (uint32, error) {
	ids := map[string]uint32{"root": 0}
	sets := []policy.RuleSet{p.RuleSet}
	for _, l := range p.Stack {
		sets = append(sets, l.RuleSet)
	}
	add := func(u policy.User) {
		if _, known := ids[u.Name]; !known && !u.HasID {
			ids[u.Name] = netguard.AnyUser - 2 - uint32(len(ids))
		}
	}
	for _, s := range sets {
		for _, l := range s.PerUser {
			add(l.User)
		}
	}
	for _, c := range p.Circles {
		add(c.Owner)
	}
	return func(user string) (uint32, error) {
		if id, err := strconv.ParseUint(user, 10, 32); err == nil {
			return uint32(id), nil
		}
		if id, ok := ids[user]; ok {
			return id, nil
		}
		return netguard.AnyUser - 1, nil // nobody in particular
	}
}

// Answer answers a question. A question that can't be understood is a control.Error of CodeRequest.
func (a Asked) Answer(q control.Question) (control.Answer, error) {
	switch q.Kind {
	case "file":
		return a.file(q)
	case "socket":
		return a.socket(q)
	case "process":
		return a.process(q)
	}
	return control.Answer{}, control.Errorf(control.CodeRequest, "kind %q, expected file, socket or process", q.Kind)
}

func (a Asked) file(q control.Question) (control.Answer, error) {
	need, err := Perm(q.Perm)
	if err != nil {
		return control.Answer{}, err
	}
	f, err := a.Files(q.User, q.Path, need)
	if err != nil {
		return control.Answer{}, control.Errorf(control.CodeRequest, "%v", err)
	}
	if q.User == "" {
		f.User = anybody
	}
	return control.Answer{Allowed: f.Allowed, Rule: f.Rule, Text: f.String(), Hint: f.Hint}, nil
}

// anybody is who is asked about where no user is.
const anybody = "users without rules of their own"

// Perm reads permission words.
func Perm(words string) (policy.Perm, error) {
	var need policy.Perm
	for word := range strings.FieldsSeq(words) {
		switch word {
		case "read":
			need |= policy.Read
		case "write":
			need |= policy.Write
		case "execute":
			need |= policy.Execute
		default:
			return 0, control.Errorf(control.CodeRequest, "permission %q, expected read, write or execute", word)
		}
	}
	if need == policy.None {
		return 0, control.Errorf(control.CodeRequest, "no permission to ask about, expected read, write or execute")
	}
	return need, nil
}

func (a Asked) socket(q control.Question) (control.Answer, error) {
	n, err := a.netQuestion(q)
	if err != nil {
		return control.Answer{}, err
	}
	s, err := a.Sockets(n)
	if err != nil {
		return control.Answer{}, err
	}
	verb := "refused"
	if s.Allowed {
		verb = "allowed"
	}
	out := control.Answer{Allowed: s.Allowed, Rule: s.Rule, Hint: s.Hint}
	rule := s.Rule
	if s.Layer != "" {
		rule += " in the stacked policy " + s.Layer
	}
	out.Text = fmt.Sprintf("%s: %s %s %s (%s)", verb, q.Protocol, q.Action, q.Address, rule)
	if s.Hint != "" {
		out.Text += "\nwould be allowed by: " + s.Hint
	}
	return out, nil
}

func (a Asked) netQuestion(q control.Question) (n netguard.Question, err error) {
	n.UID = netguard.AnyUser - 1
	if q.User != "" {
		if n.UID, err = a.Users(q.User); err != nil {
			return n, control.Errorf(control.CodeRequest, "%v", err)
		}
	}
	switch q.Action {
	case "connect":
		n.Op = hooks.OpConnect
	case "listen":
		n.Op = hooks.OpListen
	default:
		return n, control.Errorf(control.CodeRequest, "action %q, expected connect or listen", q.Action)
	}
	switch q.Protocol {
	case "tcp", "udp":
		n.Protocol = map[string]policy.Protocol{"tcp": policy.TCP, "udp": policy.UDP}[q.Protocol]
		n.Addr, err = address(q.Address)
	case "unix":
		n.Protocol = policy.Unix
		name, ok := strings.CutPrefix(q.Address, "@")
		if !ok || name == "" {
			err = control.Errorf(control.CodeRequest, "address %q, expected an abstract name as @name (socket files are asked about as files)", q.Address)
		}
		n.Name = name
	default:
		err = control.Errorf(control.CodeRequest, "protocol %q, expected tcp, udp or unix", q.Protocol)
	}
	return n, err
}

// address reads host:port; without a host it is every address.
func address(text string) (netip.AddrPort, error) {
	if strings.HasPrefix(text, ":") {
		text = "0.0.0.0" + text
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, control.Errorf(control.CodeRequest, "address %q, expected ADDRESS:PORT, [IPV6]:PORT or :PORT", text)
	}
	return a, nil
}
