package guard

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"klw/hooks"
	"klw/internal/audit"
	"klw/internal/control"
)

// modules knows every compiled-in module of this guard, loaded or not.
type modules struct {
	observe hooks.Observer // counts refusals, then records them
	mu      sync.Mutex     // list
	list    []*loadable
	refused sync.Map // name to *atomic.Uint64
}

// count counts a refusal: the masters don't see what the kernel refuses by itself. It takes no lock, since observers
// run while modules are unloaded.
func (m *modules) count(name string) *atomic.Uint64 {
	n, _ := m.refused.LoadOrStore(name, new(atomic.Uint64))
	return n.(*atomic.Uint64)
}

// loadable is a module that can be loaded into one master.
type loadable struct {
	info   hooks.Info
	in     string // the master's name
	master *hooks.Master
	make   func() (hooks.Module, error)
	mu     sync.Mutex // loading and unloading, one at a time
}

// add makes a module known.
func (m *modules) add(info hooks.Info, in string, master *hooks.Master, make func() (hooks.Module, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, &loadable{info: info, in: in, master: master, make: make})
}

// drop makes a module unknown.
func (m *modules) drop(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = slices.DeleteFunc(m.list, func(l *loadable) bool { return l.info.Name == name })
}

func (m *modules) find(name string) (*loadable, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.list {
		if l.info.Name == name {
			return l, nil
		}
	}
	return nil, control.Errorf(control.CodeNotFound, "this guard has no module %q", name)
}

// load makes a module and registers it. One that is loaded already isn't made anew: making has effects.
func (m *modules) load(name string) error {
	l, err := m.find(name)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded() {
		return hooks.ErrDuplicate
	}
	mod, err := l.make()
	if err != nil {
		return fmt.Errorf("module %s: %w", name, err)
	}
	_, err = l.master.Register(mod)
	return err
}

// unload takes a module out, unless it is permanent.
func (m *modules) unload(name string) error {
	l, err := m.find(name)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.master.Unload(name)
}

// loaded tells whether a module is in force.
func (m *modules) loaded(name string) bool {
	l, err := m.find(name)
	return err == nil && l.loaded()
}

func (l *loadable) loaded() bool {
	return slices.ContainsFunc(l.master.Modules(), func(e hooks.Entry) bool { return e.Name == l.info.Name })
}

// show lists all modules, with the numbers of those that are loaded.
func (m *modules) show() []control.Module {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []control.Module
	for _, l := range m.list {
		c := control.Module{
			Name: l.info.Name, Description: l.info.Description, Monitors: l.info.Monitors.String(),
			Master: l.in, Permanent: l.info.Permanent, Refused: m.count(l.info.Name).Load(),
		}
		for _, e := range l.master.Modules() {
			if e.Name == l.info.Name {
				c.Loaded, c.ID, c.Calls = true, uint32(e.ID), e.Calls
			}
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b control.Module) int {
		return cmp.Or(cmp.Compare(a.Master, b.Master), cmp.Compare(a.ID-1, b.ID-1)) // in stack order, 0 (not loaded) last
	})
	return out
}

// changeModule answers module.load and module.unload.
func (g *guard) changeModule(name, op string, change func(string) error) error {
	g.changing.Lock()
	defer g.changing.Unlock()
	if op == audit.OpUnload {
		if err := g.endLesson(name); err != nil {
			return err
		}
	}
	switch err := change(name); {
	case err == nil:
	case errors.Is(err, hooks.ErrDuplicate):
		return control.Errorf(control.CodeConflict, "module %s is loaded already", name)
	case errors.Is(err, hooks.ErrPermanent):
		return control.Errorf(control.CodeConflict, "module %s can't be unloaded while the container runs", name)
	case errors.Is(err, hooks.ErrNotFound):
		return control.Errorf(control.CodeConflict, "module %s isn't loaded", name)
	default:
		return err
	}
	hint := ""
	if op == audit.OpUnload {
		hint = "klwctl module load " + g.setup.ID + " " + name
	}
	g.notice(op, name, hint)
	return nil
}
