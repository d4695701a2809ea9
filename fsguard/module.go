package fsguard

import (
	"syscall"

	"klw/hooks"
	"klw/internal/policy"
)

// Module decides by a policy. It is a hooks.Module with Pre.
type Module struct {
	general *node
	byUser  map[uint32]*node
	lists   []*node                    // general and all of byUser
	links   map[string]policy.FileRule // links on the way of rules, by their own name: everybody may read them
	pinned  []hooks.File               // what rules name, kept known
	users   UserLookup
	views   Resolver
}

// Name of the module in its master.
const Name = "files"

// Info describes the module.
func (m *Module) Info() hooks.Info {
	return hooks.Info{Name: Name, Description: "file rules of the policy", Monitors: monitored}
}

// Pre decides before the operation.
func (m *Module) Pre(c *hooks.Call) hooks.Verdict {
	rules := m.of(c.Caller.UID)
	switch n := &table[c.Op]; n.on {
	case object:
		return m.onObject(rules, c, n.perm(c))
	case place:
		return m.onPlace(rules, c, n.perm(c))
	case moves:
		if c.Op == hooks.OpLink {
			return m.link(rules, c)
		}
		return m.rename(rules, c)
	}
	return hooks.Allow
}

// of gives the rules for a user.
func (m *Module) of(uid uint32) *node {
	if t, ok := m.byUser[uid]; ok {
		return t
	}
	return m.general
}

func (m *Module) onObject(rules *node, c *hooks.Call, need policy.Perm) hooks.Verdict {
	if need == policy.None {
		return hooks.Allow
	}
	v := m.object(rules, c.File, need)
	if v.Refused() && c.Op == hooks.OpReadlink && m.onTheWay(c.File) {
		return hooks.Allow
	}
	return v
}

func (m *Module) onPlace(rules *node, c *hooks.Call, need policy.Perm) hooks.Verdict {
	v := m.place(rules, c.Dir, c.Name, need)
	switch {
	case v.Refused():
		return v
	case c.Op == hooks.OpSymlink:
		return m.leads(c.Dir, c.Name)
	case c.Op == hooks.OpUnlink:
		return m.loosens(c.File, c.Dir, c.Name)
	}
	return hooks.Allow
}

// object wants need on every name of f.
func (m *Module) object(rules *node, f hooks.File, need policy.Perm) hooks.Verdict {
	names := namesOf(f)
	if len(names) == 0 {
		return nameless
	}
	for _, path := range names {
		if n := rules.find(path, ""); need&^n.allows() != 0 {
			return refuse(n, path, need)
		}
	}
	return hooks.Allow
}

// place wants need on a name in a directory, which may be known by several names itself.
func (m *Module) place(rules *node, dir hooks.File, name string, need policy.Perm) hooks.Verdict {
	dirs := namesOf(dir)
	if len(dirs) == 0 {
		return nameless
	}
	for _, path := range dirs {
		if n := rules.find(path, name); need&^n.allows() != 0 {
			return refuse(n, join(path, name), need)
		}
	}
	return hooks.Allow
}

// onTheWay tells whether every name of a link is on the way of a rule.
func (m *Module) onTheWay(f hooks.File) bool {
	names := namesOf(f)
	for _, path := range names {
		if _, ok := m.links[path]; !ok {
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
	want := n.allows() | need
	return hooks.Verdict{
		Errno: syscall.EACCES,
		Rule:  ruleOf(n),
		Path:  path,
		Hint:  policy.FileRule{Path: path, Perm: want}.String(),
	}
}

func ruleOf(n *node) string {
	if n == nil {
		return hooks.NoRule
	}
	return n.rules[0].Pos.Rule()
}
