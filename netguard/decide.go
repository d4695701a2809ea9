package netguard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"klw/hooks"
	"klw/internal/policy"
)

// Question is what an application wants to do.
type Question struct {
	Op       hooks.Operation // OpBind, OpListen: Addr is the own one; OpConnect, OpSend: the other side's
	Protocol policy.Protocol
	Addr     netip.AddrPort // TCP and UDP
	Name     string         // Unix: the abstract name without @
	UID      uint32
}

// Answer is what the rules say to it.
type Answer struct {
	Allowed bool
	Rule    string // the rule that allows it, as file:line; hooks.NoRule if there is none
	Layer   string // if refused: the first stacked policy without such a rule; "" is the policy itself
	Hint    string // if refused: a rule that would allow it, there
}

// Decide answers a question by a policy. It is for explaining; who asks often makes Rules.
func Decide(p *policy.Policy, users Users, q Question) (Answer, error) {
	r, err := NewRules(p, users)
	if err != nil {
		return Answer{}, err
	}
	return r.Decide(q), nil
}

// Decide answers a question as the kernel does, without what it remembers of UDP peers that are being answered.
func (r *Rules) Decide(q Question) Answer {
	q = q.normal()
	switch best := first(r.list, q); {
	case best != nil:
		return Answer{Allowed: true, Rule: best.Pos.Rule()}
	case q.free():
		return Answer{Allowed: true, Rule: hooks.NoRule}
	}
	return r.refuse(q)
}

// refuse answers what is refused: by which policy of the stack, and what would allow it.
func (r *Rules) refuse(q Question) Answer {
	a := Answer{Rule: hooks.NoRule, Hint: q.hint()}
	i := slices.IndexFunc(r.modules, func(m module) bool { return first(m.list, q) == nil })
	if i > 0 { // the first is the policy itself
		a.Layer = r.modules[i].layer
		if a.Hint != "" {
			a.Hint += " in the stacked policy " + a.Layer
		}
	}
	return a
}

// first gives the rule that is named where several allow the same, or nil.
func first(list []bound, q Question) *bound {
	best := -1
	for i, b := range list {
		if b.matches(q) && (best < 0 || b.before(list[best])) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return &list[best]
}

// normal brings the address to the form that rules have.
func (q Question) normal() Question {
	a := q.Addr.Addr().Unmap().WithZone("")
	if q.action() == policy.Connect && a.IsUnspecified() {
		if a.Is4() {
			a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		} else {
			a = netip.IPv6Loopback()
		}
	}
	q.Addr = netip.AddrPortFrom(a, q.Addr.Port())
	return q
}

func (q Question) action() policy.SocketAction {
	if q.Op == hooks.OpBind || q.Op == hooks.OpListen {
		return policy.Listen
	}
	return policy.Connect
}

// free tells of what passes without a rule: binding to a port that the kernel chooses, and binding an abstract name
// (the kernel has no hook there); in both cases what comes in is decided on its own.
func (q Question) free() bool {
	switch {
	case q.Protocol == policy.Unix:
		return q.action() == policy.Listen
	case q.Op == hooks.OpBind:
		return q.Addr.Port() == 0
	}
	return false
}

// hint gives the rule that would allow it, where there is one.
func (q Question) hint() string {
	rule := policy.SocketRule{Protocol: q.Protocol, Action: q.action(), Port: q.Addr.Port(), Abstract: q.Name}
	switch a := q.Addr.Addr(); {
	case q.Protocol == 0:
		return ""
	case q.Protocol == policy.Unix:
		if q.Name == "" || strings.ContainsRune(q.Name, 0) { // no policy can name it
			return ""
		}
	case rule.Port == 0:
		return ""
	case !a.IsUnspecified():
		rule.Net = netip.PrefixFrom(a, a.BitLen())
	}
	return rule.String()
}

func (b bound) matches(q Question) bool {
	if b.uid != AnyUser && b.uid != q.UID || b.Protocol != q.Protocol || b.Action != q.action() {
		return false
	}
	if b.Protocol == policy.Unix {
		return b.Abstract == q.Name || b.Prefix && len(b.Abstract) <= len(q.Name) && q.Name[:len(b.Abstract)] == b.Abstract
	}
	if b.Port != 0 && b.Port != q.Addr.Port() {
		return false
	}
	return !b.Net.IsValid() || b.Net.Contains(q.Addr.Addr())
}

// before tells which of two rules that allow the same is named: what is for everybody, then the exact port or name,
// then the longer prefix, then what stands first.
func (b bound) before(c bound) bool {
	switch {
	case (b.uid == AnyUser) != (c.uid == AnyUser):
		return b.uid == AnyUser
	case (b.Port != 0) != (c.Port != 0):
		return b.Port != 0
	case b.Prefix != c.Prefix:
		return c.Prefix
	case b.Protocol == policy.Unix:
		return len(b.Abstract) > len(c.Abstract)
	}
	return b.bits() > c.bits()
}

func (b bound) bits() int {
	if !b.Net.IsValid() {
		return 0
	}
	return b.Net.Bits()
}

// String gives the question in words.
func (q Question) String() string {
	if q.Protocol == policy.Unix {
		return fmt.Sprintf("%s unix @%s", q.Op, q.Name)
	}
	return fmt.Sprintf("%s %s %s", q.Op, q.Protocol, q.Addr)
}
