package guard

import (
	"klw/fsguard"
	"klw/hooks"
)

// addCircles makes the module of circles known and registers it.
func (g *guard) addCircles(c *fsguard.Circles) error {
	m := fsguard.NewCircleModule(c)
	g.modules.add(m.Info(), mastersFiles, g.files, func() (hooks.Module, error) { return m, nil })
	if err := g.modules.load(fsguard.CircleName); err != nil {
		g.modules.drop(fsguard.CircleName)
		return err
	}
	g.circles = m
	return nil
}

// dropCircles is the opposite.
func (g *guard) dropCircles() error {
	if err := g.files.Unregister(fsguard.CircleName); err != nil {
		return err
	}
	g.modules.drop(fsguard.CircleName)
	g.circles = nil
	return nil
}

// joinCircles makes a module of circles go by the next ones too, or registers it.
func (g *guard) joinCircles(old, next *inForce) []change {
	was, will := old.binding.Circles, next.binding.Circles
	switch {
	case will == nil:
		return nil
	case was == nil:
		return []change{{
			what: "register " + fsguard.CircleName,
			do:   func() error { return g.addCircles(will) },
			undo: g.dropCircles,
		}}
	}
	return []change{{
		what: "hold to both policies' circles",
		do:   func() error { g.circles.Tighten(will); return nil },
		undo: func() error { g.circles.Swap(was); return nil },
	}}
}

// leaveCircles takes the module out if the next policy has no circles, else the old ones out of it.
func (g *guard) leaveCircles(old, next *inForce) []change {
	was, will := old.binding.Circles, next.binding.Circles
	switch {
	case was == nil:
		return nil
	case will == nil:
		return []change{{
			what: "unregister " + fsguard.CircleName,
			do:   g.dropCircles,
			undo: func() error { return g.addCircles(was) },
		}}
	}
	return []change{{
		what: "swap the circles",
		do:   func() error { g.circles.Swap(will); return nil },
		undo: func() error { g.circles.Swap(was); return nil },
	}}
}
