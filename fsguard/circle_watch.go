package fsguard

import (
	"klw/hooks"
	"klw/internal/policy"
)

// watch marks the opening of a file that an owner could move into a circle: by then it must be known who has it, mappings
// included.
func (c *Circles) watch(call *hooks.Call) {
	switch call.Op {
	case hooks.OpOpen, hooks.OpExec:
		call.Watched = call.Watched || c.movable(call.File, "")
	case hooks.OpCreate, hooks.OpTmpfile:
		call.Watched = call.Watched || c.movable(call.Dir, call.Name)
	}
}

// movable tells whether an owner may move something from one of its names to where more is reserved.
func (c *Circles) movable(f hooks.File, name string) bool {
	for _, path := range namesOf(f) {
		if c.root.cover(path, name).held() == c.all {
			continue // nobody else has it already
		}
		for owner := range c.owners {
			if c.writes(owner, path, name) {
				return true
			}
		}
	}
	return false
}

// writes tells whether the rules of the same policy, and all that is stacked on it, give write on a name.
func (c *Circles) writes(uid uint32, path, name string) bool {
	for _, s := range c.files {
		if s.of(uid).find(path, name).allows()&policy.Write == 0 {
			return false
		}
	}
	return true
}
