package guard

import (
	"fmt"

	"klw/fsguard"
	"klw/hooks"
	"klw/hooks/seal"
	"klw/internal/policy"
)

// becoming says who may become whom by the policy in force. With an exchange under way nobody becomes an owner of the
// next policy's circles either.
func (g *guard) becoming() seal.Users {
	u := seal.Users{Owners: map[uint32]string{}, Host: g.hostID}
	now := g.now.Load()
	if now.policy.Seal {
		u.Seal = "seal"
	}
	for _, b := range []*binding{g.coming.Load(), now.binding} {
		if b == nil || b.Circles == nil {
			continue
		}
		for uid, rule := range b.Circles.Owners() {
			if id, ok := g.insideID(uid); ok {
				u.Owners[id] = rule
			}
		}
	}
	return u
}

// hostID gives the id that a user of the container has on the host.
func (g *guard) hostID(id uint32) uint32 {
	if len(g.setup.Users) == 0 {
		return id
	}
	if uid, ok := g.setup.Host(id); ok {
		return uid
	}
	return ^uint32(0)
}

// insideID is the way back.
func (g *guard) insideID(uid uint32) (id uint32, ok bool) {
	if len(g.setup.Users) == 0 {
		return uid, true
	}
	return g.setup.Inside(uid)
}

// circlesHold says, in a line, why a policy's circles would not hold in this container; "" if they do.
func (g *guard) circlesHold(p *policy.Policy) string {
	if !g.setup.MayTrace || len(p.Circles) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: @circle %s can't hold in a container that has CAP_SYS_PTRACE (config.json: process.capabilities): "+
		"root would act through the owner's processes; %s", p.Name, p.Circles[0].Owner, restart)
}

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
