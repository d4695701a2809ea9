package fsguard

import (
	"sync/atomic"

	"klw/hooks"
)

// Module decides by file rules, which can be exchanged while it works. It is a hooks.Module with Pre.
type Module struct {
	name  string
	rules atomic.Pointer[Rules]
}

// Name of the module that decides by a policy's own rules. A stacked one is called by this, a colon and its own name.
const Name = "files"

// NewModule makes a module that decides by rules.
func NewModule(name string, rules *Rules) *Module {
	m := &Module{name: name}
	m.rules.Store(rules)
	return m
}

// Info describes the module.
func (m *Module) Info() hooks.Info {
	return hooks.Info{Name: m.name, Description: "file rules of the policy", Monitors: monitored}
}

// Rules gives those by which the module decides now.
func (m *Module) Rules() *Rules { return m.rules.Load() }

// Swap exchanges the rules: every operation that begins from now on is decided by the new ones. What it gives is to be
// closed.
func (m *Module) Swap(rules *Rules) (old *Rules) { return m.rules.Swap(rules) }

// Pre decides before the operation.
func (m *Module) Pre(c *hooks.Call) hooks.Verdict { return m.rules.Load().decide(c) }

var _ interface {
	hooks.Module
	hooks.Pre
} = (*Module)(nil)
