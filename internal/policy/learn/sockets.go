package learn

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"klw/internal/policy"
)

const (
	kernelsPorts = 32768 // from here on a port that nobody bound was chosen by the kernel
	manyPeers    = 16    // addresses with the same port of which a remark says so
	dnsPort      = 53
)

// socketNeed is a rule that is needed, by whom, and why it covers more than what was used.
type socketNeed struct {
	rule policy.SocketRule
	by   map[uint32]bool
	why  string
}

// socketBuilder makes rules for sockets.
type socketBuilder struct {
	*builder
	bound  map[port]map[netip.Prefix]bool // what was bound by the application
	chosen map[port]bool                  // what the kernel chose, and something came in
	needs  map[policy.SocketRule]*socketNeed
}

type port struct {
	protocol policy.Protocol
	number   uint16
}

// sockets adds rules for sockets.
func (b *builder) sockets(list []Socket, out output) {
	s := &socketBuilder{b, map[port]map[netip.Prefix]bool{}, map[port]bool{}, map[policy.SocketRule]*socketNeed{}}
	s.findPorts(list)
	for _, u := range list {
		s.take(u)
	}
	s.remark()
	for _, n := range s.ordered() {
		s.emit(n, out)
	}
}

func portOf(r policy.SocketRule) port { return port{r.Protocol, r.Port} }

func (s *socketBuilder) findPorts(list []Socket) {
	for _, u := range list {
		if at := portOf(u.Rule); u.Bound && at.number != 0 {
			if s.bound[at] == nil {
				s.bound[at] = map[netip.Prefix]bool{}
			}
			s.bound[at][u.Rule.Net] = true
		}
	}
	for _, u := range list {
		if at := portOf(u.Rule); u.Rule.Action == policy.Listen && s.bound[at] == nil && at.number >= kernelsPorts {
			s.chosen[at] = true
		}
	}
}

// take notes what a use needs.
func (s *socketBuilder) take(u Socket) {
	r := u.Rule
	switch {
	case r.Protocol == 0:
		s.omitSocket(u.User, u.Text, "no rule can allow it")
	case r.Protocol == policy.Unix && (r.Abstract == "" || strings.ContainsRune(r.Abstract, 0)):
		s.omitSocket(u.User, fmt.Sprintf("connect to the abstract name %q", r.Abstract), "no rule can name it")
	case r.Protocol == policy.Unix && madeUp(r.Abstract):
		s.need(u.User, r, "the name looks made up: it may be another the next time")
	case r.Protocol == policy.Unix:
		s.need(u.User, r, "")
	case r.Action == policy.Listen:
		s.takeListen(u)
	case r.Port == 0:
		s.need(u.User, r, "it connected to port 0, as to ask for a route: that takes every port")
	case s.chosen[portOf(r)]:
		r.Port = 0
		s.need(u.User, r, fmt.Sprintf("the kernel chose the port of the other side, like %d", u.Rule.Port))
	case r.Port == dnsPort:
		s.need(u.User, r, "a name server")
	default:
		s.need(u.User, r, "")
	}
}

func (s *socketBuilder) takeListen(u Socket) {
	r, everywhere := u.Rule, policy.SocketRule{Protocol: u.Rule.Protocol, Action: policy.Listen, Port: u.Rule.Port}
	bound := s.bound[portOf(r)]
	switch {
	case r.Port == 0: // what comes in is decided by itself
	case bound[netip.Prefix{}]:
		s.need(u.User, everywhere, "")
	case bound != nil:
		s.need(u.User, r, "")
	case s.chosen[portOf(r)]:
		r.Port = 0
		s.need(u.User, r, fmt.Sprintf("the kernel chose the port, like %d", u.Rule.Port))
	default:
		s.need(u.User, everywhere, "it was bound before learning began, to an address that isn't known")
	}
}

func (s *socketBuilder) omitSocket(uid uint32, what, why string) {
	s.out.Omitted = append(s.out.Omitted, fmt.Sprintf("%s: %s: %s", s.userName(uid), what, why))
}

// need notes a rule, unless the policy in force allows as much.
func (s *socketBuilder) need(uid uint32, r policy.SocketRule, why string) {
	for _, list := range [][]policy.SocketRule{s.old.sockets[Everybody], s.old.sockets[uid]} {
		if slices.ContainsFunc(list, func(old policy.SocketRule) bool { return covers(old, r) }) {
			return
		}
	}
	n := s.needs[r]
	if n == nil {
		n = &socketNeed{rule: r, by: map[uint32]bool{}, why: why}
		s.needs[r] = n
	}
	n.by[uid] = true
}

// covers tells whether a rule allows all that another one does.
func covers(a, b policy.SocketRule) bool {
	if a.Protocol != b.Protocol || a.Action != b.Action {
		return false
	}
	if a.Protocol == policy.Unix {
		return a.Abstract == b.Abstract && !b.Prefix || a.Prefix && strings.HasPrefix(b.Abstract, a.Abstract)
	}
	if a.Port != 0 && a.Port != b.Port {
		return false
	}
	return !a.Net.IsValid() || b.Net.IsValid() && a.Net.Bits() <= b.Net.Bits() && a.Net.Contains(b.Net.Addr())
}

// remark tells where one rule could stand for many; that is a decision of its own.
func (s *socketBuilder) remark() {
	peers := map[port]int{}
	for r := range s.needs {
		if r.Action == policy.Connect && r.Protocol != policy.Unix && r.Net.IsValid() && r.Port != 0 {
			peers[portOf(r)]++
		}
	}
	for at, n := range peers {
		if n >= manyPeers {
			s.out.Omitted = append(s.out.Omitted, fmt.Sprintf("socket %s connect :%d, which %d addresses were connected at: only these are proposed",
				at.protocol, at.number, n))
		}
	}
}

func (s *socketBuilder) ordered() []*socketNeed {
	list := slices.Collect(maps.Values(s.needs))
	slices.SortFunc(list, func(x, y *socketNeed) int {
		return cmp.Or(
			cmp.Compare(x.rule.Protocol, y.rule.Protocol), cmp.Compare(x.rule.Action, y.rule.Action), cmp.Compare(x.rule.Port, y.rule.Port),
			x.rule.Net.Addr().Compare(y.rule.Net.Addr()), strings.Compare(x.rule.Abstract, y.rule.Abstract))
	})
	return list
}

// emit gives the rule to who needs it, unless a wider one that is needed too covers it.
func (s *socketBuilder) emit(n *socketNeed, out output) {
	if len(n.by) > 1 || !s.multiple() {
		n.by = map[uint32]bool{Everybody: true}
	}
	for uid := range n.by {
		covered := false
		for _, wide := range s.needs {
			if wide != n && covers(wide.rule, n.rule) && (wide.by[uid] || len(wide.by) > 1 || wide.by[Everybody]) {
				covered = true
			}
		}
		if !covered {
			r := n.rule
			out[uid] = append(out[uid], Line{Socket: &r, Why: n.why})
		}
	}
}
