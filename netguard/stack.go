package netguard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"klw/internal/policy"
)

// maxRules is how many rules a stack may come to. Where two policies overlap everywhere, each with each, the number is
// that of all pairs.
const maxRules = 100_000

// module is one of several policies that a call must pass.
type module struct {
	layer string // "" is the policy's own
	list  []bound
}

// conjunction gives rules that allow what each of the policies allows: for each pair of rules what both are about.
func conjunction(modules []module) ([]bound, error) {
	list := modules[0].list
	for _, m := range modules[1:] {
		var err error
		if list, err = both(list, m.list); err != nil {
			return nil, fmt.Errorf("stacked policy %s: %w", m.layer, err)
		}
	}
	return list, nil
}

// both gives what a rule of x and a rule of y allow together, each thing once.
func both(x, y []bound) ([]bound, error) {
	index := newIndex(y)
	seen := map[bound]bool{}
	var list []bound
	for _, a := range x {
		for _, b := range index.meeting(a) {
			c, ok := a.and(b)
			box := c
			box.Pos = policy.Pos{}
			if !ok || seen[box] {
				continue
			}
			if len(list) == maxRules {
				return nil, fmt.Errorf("%s: together with the policies below, its socket rules come to more than %d: "+
					"write fewer, wider ones in one of them", b.Pos.Rule(), maxRules)
			}
			seen[box] = true
			list = append(list, c)
		}
	}
	return list, nil
}

// and gives what two rules allow together, with the line of the narrower one; ok is false if that is nothing.
func (b bound) and(c bound) (both bound, ok bool) {
	x, y := b.span(), c.span()
	if b.Protocol != c.Protocol || b.Action != c.Action || !strings.HasPrefix(x, y) && !strings.HasPrefix(y, x) {
		return both, false
	}
	both = b
	if both.uid == AnyUser {
		both.uid = c.uid
	}
	if both.Port == 0 {
		both.Port = c.Port
	}
	if len(y) > len(x) {
		both.Net, both.Abstract, both.Prefix = c.Net, c.Abstract, c.Prefix
	}
	same := c
	if same.Pos = b.Pos; both == same {
		both.Pos = c.Pos
	}
	fits := func(whole, part uint32, any uint32) bool { return whole == any || whole == part }
	return both, fits(c.uid, both.uid, AnyUser) && fits(uint32(c.Port), uint32(both.Port), 0)
}

// span writes the addresses or names that a rule is about so that of two rules one is about a part of the other exactly
// if its span begins with the other's, and otherwise they have nothing in common.
func (b bound) span() string {
	var s strings.Builder
	if b.Protocol == policy.Unix {
		for _, c := range []byte(b.Abstract) {
			s.WriteByte(1)
			s.WriteByte(c)
		}
		if !b.Prefix {
			s.WriteByte(0)
		}
		return s.String()
	}
	if !b.Net.IsValid() {
		return ""
	}
	return netSpan(b.Net)
}

// netSpan is the family and the bits of a network.
func netSpan(net netip.Prefix) string {
	span := []byte{'4'}
	if net.Addr().Is6() {
		span[0] = '6'
	}
	for i, c := range net.Addr().AsSlice() {
		for bit := range 8 {
			if i*8+bit < net.Bits() {
				span = append(span, '0'+c>>(7-bit)&1)
			}
		}
	}
	return string(span)
}

// index finds the rules that have something in common with a rule, without looking at all.
type index map[group]*spans

// group is what rules must share.
type group struct {
	protocol policy.Protocol
	action   policy.SocketAction
	port     uint16
}

// spans are rules in order of what they are about: those about parts of one thing stand together.
type spans struct {
	sorted []spanned
	at     map[string][]bound
}

type spanned struct {
	span string
	bound
}

func newIndex(list []bound) index {
	x := index{}
	for _, b := range list {
		g := group{b.Protocol, b.Action, b.Port}
		if x[g] == nil {
			x[g] = &spans{at: map[string][]bound{}}
		}
		s := b.span()
		x[g].sorted = append(x[g].sorted, spanned{s, b})
		x[g].at[s] = append(x[g].at[s], b)
	}
	for _, s := range x {
		slices.SortStableFunc(s.sorted, func(a, b spanned) int { return strings.Compare(a.span, b.span) })
	}
	return x
}

// meeting gives the rules that may have something in common with b.
func (x index) meeting(b bound) (list []bound) {
	for _, port := range x.ports(b) {
		if s := x[group{b.Protocol, b.Action, port}]; s != nil {
			list = append(list, s.meeting(b.span())...)
		}
	}
	return list
}

// ports gives those of the rules that have b's port.
func (x index) ports(b bound) (list []uint16) {
	if b.Port != 0 {
		return []uint16{b.Port, 0}
	}
	for g := range x {
		if g.protocol == b.Protocol && g.action == b.Action {
			list = append(list, g.port)
		}
	}
	slices.Sort(list)
	return list
}

// meeting gives those about what is above span, about the same, and about parts of it.
func (s *spans) meeting(span string) (list []bound) {
	for n := range len(span) {
		list = append(list, s.at[span[:n]]...)
	}
	from, _ := slices.BinarySearchFunc(s.sorted, span, func(a spanned, span string) int { return strings.Compare(a.span, span) })
	for _, b := range s.sorted[from:] {
		if !strings.HasPrefix(b.span, span) {
			break
		}
		list = append(list, b.bound)
	}
	return list
}
