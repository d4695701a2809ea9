package lint

import (
	"fmt"

	"klw/internal/policy"
)

// circles warns of circles that don't do what they seem to.
func (l *linter) circles() {
	for _, c := range l.p.Circles {
		for _, r := range c.Reserves {
			l.reserved(c, r)
		}
		l.programs(c)
	}
}

// reserved warns if no rule gives the owner what he reserves: a circle gives nothing by itself.
func (l *linter) reserved(c policy.Circle, r policy.Reserve) {
	for _, m := range l.modules {
		missing := r.Perm &^ m.somewhere(who(c.Owner), r.Path)
		if missing == policy.None {
			continue
		}
		rule := policy.FileRule{Path: r.Path, Perm: m.decide(who(c.Owner), r.Path, nil).perm | r.Perm}
		l.warn(r.Pos, fmt.Sprintf("add to @user %s of %s: %s", c.Owner, m.name(), rule),
			"%s on %s is reserved for %s, but %s doesn't give it", missing, r.Path, c.Owner, m.name())
		return
	}
}

// programs warns of what the owner of a circle executes and others may write: whoever writes it acts as the owner.
func (l *linter) programs(c policy.Circle) {
	owner := who(c.Owner)
	reserved := map[string]bool{}
	for _, r := range c.Reserves {
		reserved[r.Path] = true
	}
	for _, path := range l.paths {
		if l.allows(owner, path)&policy.Execute == 0 || covered(reserved, path) {
			continue
		}
		for _, user := range l.callers(path) {
			if user == owner || l.allows(user, path)&policy.Write == 0 {
				continue
			}
			l.warn(l.ruleAt(owner, path).Pos, fmt.Sprintf("take one of the two away, or add to @circle %s: %s", c.Owner, policy.Reserve{Path: path, Perm: policy.Write}),
				"%s, who owns a circle, may execute what is at %s, and %s may write it: who does acts as %s", named(owner), path, named(user), named(owner))
			break
		}
	}
}

func covered(paths map[string]bool, path string) bool {
	for dir := range above(path) {
		if paths[dir] {
			return true
		}
	}
	return false
}
