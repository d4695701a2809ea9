package fsguard

import (
	"sync/atomic"

	"klw/hooks"
	"klw/internal/policy/learn"
)

// Module decides by file rules, which can be exchanged while it works, or learns what rules there should be. It is a
// hooks.Module with Pre.
type Module struct {
	name     string
	force    atomic.Pointer[force]
	learning atomic.Pointer[learn.Table] // nil: it enforces
}

// force is what a module decides by.
type force struct {
	rules *Rules
	next  *Rules // must allow a call too; nil unless an exchange is under way
}

// Name of the module that decides by a policy's own rules. A stacked one is called by this, a colon and its own name.
const Name = "files"

// NewModule makes a module that decides by rules.
func NewModule(name string, rules *Rules) *Module {
	m := &Module{name: name}
	m.force.Store(&force{rules: rules})
	return m
}

// Info describes the module.
func (m *Module) Info() hooks.Info {
	return hooks.Info{Name: m.name, Description: "file rules of the policy", Monitors: monitored}
}

// Rules gives those by which the module decides now.
func (m *Module) Rules() *Rules { return m.force.Load().rules }

// Tighten begins an exchange: until Swap, a call must be allowed by the rules in force and by next. Where several
// modules are exchanged, first all of them are tightened and then swapped: so at no time is anything allowed that
// neither the old ones together nor the new ones together allow.
func (m *Module) Tighten(next *Rules) { m.force.Store(&force{m.Rules(), next}) }

// Swap exchanges the rules: every operation that begins from now on is decided by the new ones alone. What it gives is
// to be closed.
func (m *Module) Swap(rules *Rules) (old *Rules) { return m.force.Swap(&force{rules: rules}).rules }

// Pre decides before the operation.
func (m *Module) Pre(c *hooks.Call) hooks.Verdict {
	f := m.force.Load()
	if t := m.learning.Load(); t != nil {
		f.rules.learn(t, c)
		return hooks.Allow
	}
	v := f.rules.decide(c)
	if f.next != nil && !v.Refused() {
		v = f.next.decide(c)
	}
	v.Hint = there(m.name, v.Hint)
	return v
}

var _ interface {
	hooks.Module
	hooks.Pre
} = (*Module)(nil)
