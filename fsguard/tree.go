package fsguard

import (
	"strings"
	"sync/atomic"

	"klw/internal/policy"
)

// node is a component of a path in the tree of one caller's rules. The root stands for "/".
type node struct {
	next  map[string]*node
	ruled bool              // a rule is about this very path
	perm  policy.Perm       // what the rules allow together
	rules []policy.FileRule // for people: the caller's own first
	fixed *policy.FileRule  // what makes it immutable; nil if it isn't

	revocable bool // data of what is open there is asked for
	decided   atomic.Bool
}

// find gives the node whose rule governs path (absolute and clean), or, if name isn't empty, the name in that
// directory. It is nil where no rule is above.
func (n *node) find(path, name string) *node {
	best, at := n.best(nil), n
	for rest := path[1:]; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if at = at.next[part]; at == nil {
			return best
		}
		best = at.best(best)
	}
	if name == "" {
		return best
	}
	if at = at.next[name]; at == nil {
		return best
	}
	return at.best(best)
}

func (n *node) best(above *node) *node {
	if n.ruled {
		return n
	}
	return above
}

// allows gives the permissions at a governing node; nothing where there is none.
func (n *node) allows() policy.Perm {
	if n == nil {
		return policy.None
	}
	return n.perm
}

// note remembers that a rule has decided. Mostly it is one load of what doesn't change any more.
func (n *node) note() {
	if n != nil && !n.decided.Load() {
		n.decided.Store(true)
	}
}

// at gives the node of path itself, or nil.
func (n *node) at(path, name string) *node {
	at := n
	for rest := path[1:]; rest != "" && at != nil; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		at = at.next[part]
	}
	if name != "" && at != nil {
		at = at.next[name]
	}
	return at
}

// ruledAt gives the node of path itself if a rule is about it.
func (n *node) ruledAt(path string) *node {
	if at := n.at(path, ""); at != nil && at.ruled {
		return at
	}
	return nil
}

// rulesBelow tells whether a rule is about something strictly below path.
func (n *node) rulesBelow(path, name string) bool {
	at := n.at(path, name)
	return at != nil && len(at.next) > 0
}

// add puts a rule in. Permissions of the same path join.
func (n *node) add(path string, r policy.FileRule) {
	at := n
	for rest := path[1:]; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if at.next == nil {
			at.next = map[string]*node{}
		}
		child := at.next[part]
		if child == nil {
			child = &node{}
			at.next[part] = child
		}
		at = child
	}
	at.ruled = true
	at.perm |= r.Perm
	at.rules = append(at.rules, r)
	at.revocable = at.revocable || r.Revocable
}
