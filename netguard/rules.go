package netguard

import (
	"fmt"
	"net/netip"

	"klw/internal/policy"
)

// AnyUser is the uid of a rule that counts for everybody. It is no user's.
const AnyUser = ^uint32(0)

// Users gives the uid, as the host counts, of a user of the container, whom a policy gives by a name or a number.
type Users func(user string) (uint32, error)

// Rules are the socket rules of one policy, in order: the general ones, then each user's. Where policies are stacked on
// it, they are what all of them allow.
type Rules struct {
	list    []bound
	modules []module // the policy's own rules, then each stacked policy's
}

// bound is a rule in the form in which it is looked up.
type bound struct {
	uid uint32
	policy.SocketRule
}

// NewRules takes the socket rules out of a policy and what is stacked on it. users may be nil if no user is named by
// name.
func NewRules(p *policy.Policy, users Users) (*Rules, error) {
	r := &Rules{}
	if err := r.add("", p.RuleSet, users); err != nil {
		return nil, err
	}
	for _, l := range p.Stack {
		if err := r.add(l.Name, l.RuleSet, users); err != nil {
			return nil, err
		}
	}
	var err error
	if r.list, err = conjunction(r.modules); err != nil {
		return nil, err
	}
	return r, nil
}

// add adds the rules of one policy.
func (r *Rules) add(layer string, set policy.RuleSet, users Users) error {
	m := module{layer: layer}
	if err := m.add(AnyUser, set.General.Sockets); err != nil {
		return err
	}
	for _, l := range set.PerUser {
		if len(l.Sockets) == 0 {
			continue
		}
		uid, err := userID(l.User, users)
		if err != nil {
			return fmt.Errorf("%s: user %s: %w", l.User.Pos, l.User, err)
		}
		if err := m.add(uid, l.Sockets); err != nil {
			return err
		}
	}
	r.modules = append(r.modules, m)
	return nil
}

func userID(u policy.User, users Users) (uint32, error) {
	switch {
	case u.HasID && u.ID == AnyUser:
		return 0, fmt.Errorf("%d is no user id", u.ID)
	case users != nil:
		return users(u.String())
	case u.HasID:
		return u.ID, nil
	}
	return 0, fmt.Errorf("names of users are not known here, write the number")
}

func (m *module) add(uid uint32, list []policy.SocketRule) error {
	for _, rule := range list {
		if rule.Protocol != policy.Unix {
			net, err := normalNet(rule)
			if err != nil {
				return err
			}
			rule.Net = net
		}
		m.list = append(m.list, bound{uid, rule})
	}
	return nil
}

// normalNet brings a rule's network to the form of a key: v4-mapped is IPv4, listening on the unspecified address is
// listening on every address of its family.
func normalNet(rule policy.SocketRule) (netip.Prefix, error) {
	net := rule.Net
	if !net.IsValid() {
		return net, nil
	}
	if a := net.Addr(); a.Is4In6() && net.Bits() >= 96 {
		net = netip.PrefixFrom(a.Unmap(), net.Bits()-96)
	}
	if a := net.Addr(); a.IsUnspecified() && net.IsSingleIP() {
		if rule.Action == policy.Connect {
			return net, fmt.Errorf("%s: %s is no address to connect to, expected an address, a network, or none", rule.Pos, a)
		}
		net = netip.PrefixFrom(a, 0)
	}
	return net.Masked(), nil
}

// hasUsers tells whether a rule counts for one user only.
func (r *Rules) hasUsers() bool {
	for _, b := range r.list {
		if b.uid != AnyUser {
			return true
		}
	}
	return false
}

// firstUnix gives the first rule about an abstract name that the kernel has to enforce.
func (r *Rules) firstUnix() (policy.SocketRule, bool) {
	for _, b := range r.list {
		if b.Protocol == policy.Unix && b.Action == policy.Connect {
			return b.SocketRule, true
		}
	}
	return policy.SocketRule{}, false
}
