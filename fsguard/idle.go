package fsguard

import (
	"cmp"
	"slices"

	"klw/internal/policy"
)

// Idle gives the rules that have decided nothing since they came into force, in the order of their lines. A rule that is
// in several users' lists has decided if it did for any of them.
func (r *Rules) Idle() []policy.FileRule {
	decided := map[policy.Pos]bool{}
	var all []policy.FileRule
	for _, list := range r.lists {
		list.each(func(n *node) {
			for _, rule := range n.rules {
				if _, known := decided[rule.Pos]; !known {
					all = append(all, rule)
				}
				decided[rule.Pos] = decided[rule.Pos] || n.decided.Load()
			}
		})
	}
	all = slices.DeleteFunc(all, func(rule policy.FileRule) bool { return decided[rule.Pos] })
	slices.SortFunc(all, func(a, b policy.FileRule) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line))
	})
	return all
}

// each visits every node that a rule is about.
func (n *node) each(visit func(*node)) {
	if n.ruled {
		visit(n)
	}
	for _, child := range n.next {
		child.each(visit)
	}
}
