package netguard

import (
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"klw/internal/policy"
	"klw/internal/policy/learn"
)

// Learn ends enforcing: everything passes from now on and is noted, once for each user, address and port. What was noted
// before is forgotten.
func (m *Module) Learn() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kernel == nil {
		return errNotLoaded
	}
	return m.kernel.learn(true)
}

// Enforce ends learning: the rules decide again. Connections that exist go on, and a UDP socket for three minutes at
// most.
func (m *Module) Enforce() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kernel == nil {
		return errNotLoaded
	}
	return m.kernel.learn(false)
}

// Used is what was noted since Learn.
type Used struct {
	Sockets  []learn.Socket
	Unlisted int    // of these, what the rules would have refused
	Lost     uint64 // what found no room
}

// Used gives what was noted.
func (m *Module) Used() (u Used, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kernel == nil {
		return u, errNotLoaded
	}
	uses, err := keysOf[rawUse](m.kernel.Uses)
	if err != nil {
		return u, err
	}
	names, err := keysOf[rawNameUse](m.kernel.NameUses)
	if err != nil {
		return u, err
	}
	rules := m.rules.Load()
	note := func(s learn.Socket, q Question) {
		u.Sockets = append(u.Sockets, s)
		if !rules.Decide(q).Allowed {
			u.Unlisted++
		}
	}
	for _, raw := range uses {
		note(raw.socket())
	}
	for _, raw := range names {
		note(raw.socket())
	}
	u.Lost, err = m.kernel.counter(counterUnnoted)
	return u, err
}

// learn begins or ends learning.
func (k *kernel) learn(begin bool) error {
	if begin {
		if err := k.forgetUses(); err != nil {
			return err
		}
	}
	state := k.state &^ activeLearn
	if begin {
		state |= activeLearn
	}
	if err := k.Active.Put(uint32(0), state); err != nil {
		return fmt.Errorf("switch between learning and enforcing: %w", err)
	}
	k.state = state
	return nil
}

func (k *kernel) forgetUses() error {
	if err := forget[rawUse](k.Uses); err != nil {
		return err
	}
	if err := forget[rawNameUse](k.NameUses); err != nil {
		return err
	}
	return k.reset(counterUnnoted)
}

// forget empties a map with keys of type K.
func forget[K any](m *ebpf.Map) error {
	keys, err := keysOf[K](m)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := m.Delete(&key); err != nil {
			return fmt.Errorf("forget what was used: %w", err)
		}
	}
	return nil
}

func keysOf[K any](m *ebpf.Map) (keys []K, err error) {
	var key K
	var value uint32
	entries := m.Iterate()
	for entries.Next(&key, &value) {
		keys = append(keys, key)
	}
	if err := entries.Err(); err != nil {
		return nil, fmt.Errorf("read what was used: %w", err)
	}
	return keys, nil
}

// socket gives a use in the form of a rule, and as a question.
func (u *rawUse) socket() (learn.Socket, Question) {
	e := rawEvent{Op: u.Op, Family: u.Family, Protocol: uint16(u.Protocol), Type: uint16(u.Type), Port: u.Port, Addr: u.Addr}
	q := Question{Op: e.operation(), Protocol: e.protocol(), Addr: e.address(), UID: u.UID}
	if u.Op == opSocket || u.Type != 0 && u.Type != unix.SOCK_STREAM && u.Type != unix.SOCK_DGRAM {
		q.Protocol = 0
	}
	s := learn.Socket{User: u.UID, Bound: u.Op == opBind}
	s.Rule = policy.SocketRule{Protocol: q.Protocol, Action: q.action(), Port: u.Port}
	if a := q.Addr.Addr(); !a.IsUnspecified() {
		s.Rule.Net = netip.PrefixFrom(a, a.BitLen())
	}
	if q.Protocol == 0 {
		s.Text = fmt.Sprintf("%s family %d type %d protocol %d %s", q.Op, u.Family, u.Type, u.Protocol, q.Addr)
	}
	return s, q
}

func (u *rawNameUse) socket() (learn.Socket, Question) {
	name := string(u.Name[:min(int(u.Len), len(u.Name))])
	rule := policy.SocketRule{Protocol: policy.Unix, Action: policy.Connect, Abstract: name}
	return learn.Socket{User: u.UID, Rule: rule}, Question{Op: operations[u.Op], Protocol: policy.Unix, Name: name, UID: u.UID}
}
