package fsguard

import (
	"klw/hooks"
	"klw/internal/policy"
)

// Limiter is a server whose FIFOs and sockets can be limited. The kernel opens and connects these by itself, by mode and
// owner alone, so the limit is one for all users. internal/view's Server is one.
type Limiter interface {
	// LimitSpecial sets who tells what may be done with an object: 4 to read it, 2 to write or connect to it. nil lifts
	// the limit of that name.
	LimitSpecial(name string, may func(hooks.File) uint32)
}

// Load is a no-op but for FIFOs and sockets, if the views can limit them.
func (m *Module) Load() error {
	if l, ok := m.Rules().views.(Limiter); ok {
		l.LimitSpecial(m.name, m.limits)
	}
	return nil
}

// limits says what may be done with a FIFO or a socket now.
func (m *Module) limits(f hooks.File) uint32 {
	now := m.force.Load()
	if t := m.learning.Load(); t != nil {
		now.rules.learnSpecial(t, f)
		return mayAll
	}
	may := now.rules.special(f)
	if now.next != nil {
		may &= now.next.special(f)
	}
	return may
}

// mayAll lifts the limit.
const mayAll = 6

// Unload lifts what Load set.
func (m *Module) Unload() error {
	if l, ok := m.Rules().views.(Limiter); ok {
		l.LimitSpecial(m.name, nil)
	}
	return nil
}

// special gives what every user may do with a FIFO or a socket, under every name that it has.
func (r *Rules) special(f hooks.File) uint32 {
	may := policy.Read | policy.Write
	names := namesOf(f)
	if len(names) == 0 {
		return 0
	}
	for _, rules := range r.lists {
		for _, path := range names {
			may &= rules.find(path, "").allows()
		}
	}
	var bits uint32
	if may&policy.Read != 0 {
		bits |= 4
	}
	if may&policy.Write != 0 {
		bits |= 2
	}
	return bits
}
