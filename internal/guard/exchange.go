package guard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// change is one step of a load, and its way back.
type change struct {
	what string
	do   func() error
	undo func() error
}

// failing makes a step fail after it was done. It is for tests.
var failing = func(what string) error { return nil }

// commit takes the steps, all or none.
func commit(steps []change) error {
	for i, s := range steps {
		done := i
		err := s.do()
		if err == nil {
			err, done = failing(s.what), i+1
		}
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", s.what, err), takeBack(steps[:done]))
		}
	}
	return nil
}

// takeBack undoes the steps from the last on, errors or not.
func takeBack(steps []change) (all error) {
	for _, s := range slices.Backward(steps) {
		if err := s.undo(); err != nil {
			all = errors.Join(all, fmt.Errorf("and it could not be undone: %s: %w", s.what, err))
		}
	}
	return all
}

// exchange puts the next policy into force in an order in which no operation fails that both allow, and none passes that
// neither allows: what can fail comes first; then every module goes by both, old and new; then by the new alone.
func (g *guard) exchange(next *inForce) error {
	old := g.now.Load()
	kept, err := next.texts.Encode()
	if err != nil {
		return err
	}
	g.coming.Store(next.binding)
	defer g.coming.Store(nil)
	var steps []change
	steps = append(steps, g.keep(kept))
	steps = append(steps, g.exchangeSockets(old, next))
	steps = append(steps, g.rename(old))
	steps = append(steps, g.join(old, next)...)
	steps = append(steps, g.joinCircles(old, next)...)
	steps = append(steps, g.swap(old, next))
	steps = append(steps, g.leaveCircles(old, next)...)
	steps = append(steps, g.leave(old, next)...)
	if err := commit(steps); err != nil {
		return err
	}
	g.now.Store(next)
	old.binding.Close()
	return nil
}

// keep brings the new texts to disk, beside the old.
func (g *guard) keep(text []byte) change {
	return change{
		what: "write the policy down",
		do:   func() error { return writeBeside(g.dir.Policy(), text) },
		undo: func() error { return removeIfThere(beside(g.dir.Policy())) },
	}
}

// rename gives the new texts the old ones' name.
func (g *guard) rename(old *inForce) change {
	return change{
		what: "put the policy's file into place",
		do:   func() error { return putInPlace(g.dir.Policy()) },
		undo: func() error {
			text, err := old.texts.Encode()
			if err != nil {
				return err
			}
			return writeSynced(g.dir.Policy(), text)
		},
	}
}

// exchangeSockets changes the socket rules: the kernel goes by the old ones or by the new ones.
func (g *guard) exchangeSockets(old, next *inForce) change {
	m := g.socketRules.Load()
	return change{
		what: "exchange the socket rules",
		do:   func() error { return m.Replace(next.policy) },
		undo: func() error { return m.Replace(old.policy) },
	}
}

// join makes every module that stays go by the new rules too, and registers the new ones.
func (g *guard) join(old, next *inForce) []change {
	steps := []change{{
		what: "hold to both policies",
		do: func() error {
			for name, m := range g.fileRules {
				if r := next.binding.of(name); r != nil {
					m.Tighten(r)
				}
			}
			return nil
		},
		undo: func() error { return g.decideBy(old) },
	}}
	for _, s := range next.binding.Files {
		if old.binding.of(s.Module) == nil {
			steps = append(steps, change{
				what: "register " + s.Module,
				do:   func() error { return g.addFiles(s) },
				undo: func() error { return g.dropFiles(s.Module) },
			})
		}
	}
	return steps
}

// swap lets every module that stays go by the new rules alone.
func (g *guard) swap(old, next *inForce) change {
	return change{
		what: "swap the rules",
		do:   func() error { return g.decideBy(next) },
		undo: func() error { return g.decideBy(old) },
	}
}

// decideBy gives the modules that a policy has its rules.
func (g *guard) decideBy(f *inForce) error {
	for name, m := range g.fileRules {
		if r := f.binding.of(name); r != nil {
			m.Swap(r)
		}
	}
	return nil
}

// leave takes out the modules that the new policy doesn't have.
func (g *guard) leave(old, next *inForce) (steps []change) {
	for _, s := range old.binding.Files {
		if next.binding.of(s.Module) == nil {
			steps = append(steps, change{
				what: "unregister " + s.Module,
				do:   func() error { return g.dropFiles(s.Module) },
				undo: func() error { return g.addFiles(s) },
			})
		}
	}
	return steps
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
