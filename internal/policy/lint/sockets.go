package lint

import (
	"net/netip"

	"klw/internal/policy"
)

// sockets finds socket rules that allow all that another one does.
type sockets map[policy.SocketRule]policy.SocketRule // by the rule without its place

func newSockets(list []policy.SocketRule) sockets {
	s := sockets{}
	for _, r := range list {
		if _, known := s[plain(r)]; !known {
			s[plain(r)] = r
		}
	}
	return s
}

func plain(r policy.SocketRule) policy.SocketRule {
	r.Pos = policy.Pos{}
	return r
}

// covers gives a rule that allows all that r does; r itself, by its place, doesn't count.
func (s sockets) covers(r policy.SocketRule) (found policy.SocketRule, ok bool) {
	for wide := range wider(plain(r)) {
		if found, ok = s[wide]; ok && found.Pos != r.Pos {
			return found, true
		}
	}
	return found, false
}

// wider gives the rules that allow all that r does, r first.
func wider(r policy.SocketRule) func(func(policy.SocketRule) bool) {
	if r.Protocol == policy.Unix {
		return widerNames(r)
	}
	return func(yield func(policy.SocketRule) bool) {
		nets := []netip.Prefix{{}}
		if r.Net.IsValid() {
			for bits := range r.Net.Bits() + 1 {
				nets = append(nets, netip.PrefixFrom(r.Net.Addr(), bits).Masked())
			}
		}
		for _, port := range []uint16{r.Port, 0} {
			for i := range nets {
				w := r
				if w.Net, w.Port = nets[len(nets)-1-i], port; !yield(w) {
					return
				}
			}
		}
	}
}

func widerNames(r policy.SocketRule) func(func(policy.SocketRule) bool) {
	return func(yield func(policy.SocketRule) bool) {
		if !yield(r) {
			return
		}
		for n := len(r.Abstract); n >= 0; n-- {
			w := r
			if w.Abstract, w.Prefix = r.Abstract[:n], true; !yield(w) {
				return
			}
		}
	}
}

// needlessSockets warns of socket rules that another one of the same list, or of @general, makes needless.
func (l *linter) needlessSockets(m *module) {
	for _, r := range m.General.Sockets {
		l.needlessSocket(r, m.sockets)
	}
	for _, u := range m.PerUser {
		if l.needlessList(m, u) {
			continue // the section is told
		}
		own := newSockets(u.Sockets)
		for _, r := range u.Sockets {
			l.needlessSocket(r, m.sockets, own)
		}
	}
}

func (l *linter) needlessSocket(r policy.SocketRule, open ...sockets) {
	for _, s := range open {
		if by, ok := s.covers(r); ok {
			l.warn(r.Pos, "remove the line", "%s is allowed by %s: %s", r, by.Pos.Rule(), by)
			return
		}
	}
}
