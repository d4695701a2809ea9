package fsguard

import (
	"fmt"

	"klw/internal/policy"
)

// checkImmutable reports rules that give write at or below a place that another rule makes immutable, with links
// followed: the parser sees only how paths are written.
func (b *binder) checkImmutable(general []boundRule, rules ...[]boundRule) {
	for _, fixed := range general {
		if !fixed.Immutable {
			continue
		}
		for _, list := range rules {
			for _, r := range list {
				if r.Perm&policy.Write != 0 && policy.Below(r.path, fixed.path) {
					b.errorf(r.Pos, "a rule without write, or immutable for less", "%s gives write on %s, and %s (%s) makes %s immutable",
						r, r.path, fixed, fixed.Pos.Rule(), fixed.path)
				}
			}
		}
	}
}

// fix notes at each node from here down which rule makes it immutable.
func (n *node) fix(by *policy.FileRule) {
	for i := range n.rules {
		if n.rules[i].Immutable {
			by = &n.rules[i]
		}
	}
	n.fixed = by
	for _, child := range n.next {
		child.fix(by)
	}
}

// unfixed says what stands in the way of writing what is immutable: no rule gives that.
func unfixed(by *policy.FileRule) string {
	return fmt.Sprintf("no rule, as long as the line makes it immutable: %s (%s)", by, by.Pos.Rule())
}
