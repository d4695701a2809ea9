package fsguard

import (
	"syscall"

	"klw/hooks"
	"klw/internal/policy"
)

// Rules are file rules bound to one container: what a Module decides by. They are never changed.
type Rules struct {
	general *node
	byUser  map[uint32]*node
	lists   []*node                    // general and all of byUser
	links   map[string]policy.FileRule // links on the way of rules, by their own name: everybody may read them
	pinned  []hooks.File               // what rules name, kept known
	users   UserLookup
	views   Resolver

	revocable bool // some rule is
}

// Close lets go of what the rules name. A module must not decide by them any more.
func (r *Rules) Close() {
	for _, f := range r.pinned {
		r.views.Unpin(f)
	}
	r.pinned = nil
}

// decide says what the rules answer to a call.
func (r *Rules) decide(c *hooks.Call) hooks.Verdict {
	rules := r.of(c.Caller.UID)
	switch n := &table[c.Op]; n.on {
	case object:
		return r.onObject(rules, c, n.perm(c))
	case data:
		return r.onData(c, n.perm(c))
	case place:
		return r.onPlace(rules, c, n.perm(c))
	case moves:
		if c.Op == hooks.OpLink {
			return r.link(rules, c)
		}
		return r.rename(rules, c)
	}
	return hooks.Allow
}

// of gives the rules for a user.
func (r *Rules) of(uid uint32) *node {
	if t, ok := r.byUser[uid]; ok {
		return t
	}
	return r.general
}

func (r *Rules) onObject(rules *node, c *hooks.Call, need policy.Perm) hooks.Verdict {
	if need == policy.None {
		return hooks.Allow
	}
	if c.Opener != nil {
		return r.onData(c, need)
	}
	r.mark(c)
	v := r.object(rules, c.File, need)
	if v.Refused() && c.Op == hooks.OpReadlink && r.onTheWay(c.File) {
		return hooks.Allow
	}
	return v
}

func (r *Rules) onPlace(rules *node, c *hooks.Call, need policy.Perm) hooks.Verdict {
	r.mark(c)
	v := r.place(rules, c.Dir, c.Name, need)
	switch {
	case v.Refused():
		return v
	case c.Op == hooks.OpSymlink:
		return r.leads(c.Dir, c.Name)
	case c.Op == hooks.OpUnlink:
		return r.loosens(c.File, c.Dir, c.Name)
	}
	return hooks.Allow
}

// object wants need on every name of f.
func (r *Rules) object(rules *node, f hooks.File, need policy.Perm) hooks.Verdict {
	names := namesOf(f)
	if len(names) == 0 {
		return nameless
	}
	for _, path := range names {
		n := rules.find(path, "")
		n.note()
		if need&^n.allows() != 0 {
			return refuse(n, path, need)
		}
	}
	return hooks.Allow
}

// place wants need on a name in a directory, which may be known by several names itself.
func (r *Rules) place(rules *node, dir hooks.File, name string, need policy.Perm) hooks.Verdict {
	dirs := namesOf(dir)
	if len(dirs) == 0 {
		return nameless
	}
	for _, path := range dirs {
		n := rules.find(path, name)
		n.note()
		if need&^n.allows() != 0 {
			return refuse(n, join(path, name), need)
		}
	}
	return hooks.Allow
}

// onTheWay tells whether every name of a link is on the way of a rule.
func (r *Rules) onTheWay(f hooks.File) bool {
	names := namesOf(f)
	for _, path := range names {
		if _, ok := r.links[path]; !ok {
			return false
		}
	}
	return len(names) > 0
}

// namesOf gives the names that decide about f: those it has, else those it had.
func namesOf(f hooks.File) []string {
	if f == nil {
		return nil
	}
	names := f.Paths()
	if len(names) == 0 {
		if old, ok := f.(hooks.Former); ok {
			names = old.FormerPaths()
		}
	}
	return names
}

func join(dir, name string) string {
	if name == "" {
		return dir
	}
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}

// nameless refuses what no rule can be about.
var nameless = hooks.Verdict{Errno: syscall.EACCES, Rule: hooks.NoRule}

// refuse says which rule did not allow what was needed, and what would.
func refuse(n *node, path string, need policy.Perm) hooks.Verdict {
	v := hooks.Verdict{Errno: syscall.EACCES, Rule: ruleOf(n), Path: path}
	if n != nil && n.fixed != nil && need&policy.Write != 0 {
		v.Hint = unfixed(n.fixed)
	} else {
		v.Hint = policy.FileRule{Path: path, Perm: n.allows() | need}.String()
	}
	return v
}

func ruleOf(n *node) string {
	if n == nil {
		return hooks.NoRule
	}
	return n.rules[0].Pos.Rule()
}
