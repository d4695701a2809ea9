package lint

import (
	"fmt"

	"klw/internal/policy"
)

// needless warns of file rules that change nothing for anybody.
func (l *linter) needless(m *module) {
	for _, r := range m.General.Files {
		l.needlessRule(m, r, m.callers(r.Path))
	}
	for _, u := range m.PerUser {
		if l.needlessList(m, u) {
			l.warn(u.User.Pos, "remove the section", "@user %s gives nothing that @general doesn't", u.User)
			continue
		}
		for _, r := range u.Files {
			l.needlessRule(m, r, []string{who(u.User)})
		}
	}
}

// needlessList tells whether a user has no more and no less than everybody.
func (l *linter) needlessList(m *module, u policy.UserRules) bool {
	for _, r := range u.Files {
		if l.elsewhere(r.Path) || !m.decide(who(u.User), r.Path, nil).same(m.decide(everybody, r.Path, nil)) {
			return false
		}
	}
	for _, s := range u.Sockets {
		if _, ok := m.sockets.covers(s); !ok {
			return false
		}
	}
	return true
}

func (l *linter) needlessRule(m *module, r policy.FileRule, callers []string) {
	if l.elsewhere(r.Path) || r.Path == "/" {
		return
	}
	var instead *policy.FileRule
	for _, user := range callers {
		without := m.decide(user, r.Path, &r)
		if !without.same(m.decide(user, r.Path, nil)) {
			return
		}
		if instead == nil {
			instead = without.rule
		}
	}
	why := "is refused without it"
	if instead != nil {
		why = fmt.Sprintf("has the same by %s: %s", instead.Pos.Rule(), instead)
	}
	l.warn(r.Pos, "remove the line, unless the path leads through a symbolic link or to a tmpfs, or the file has other names", "what is at %s %s", r.Path, why)
}

// elsewhere tells whether a path may lead to something that rules above it don't reach: what a rule changes there is not
// seen here.
func (l *linter) elsewhere(path string) bool {
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if policy.Below(path, dir) {
			return true
		}
	}
	return l.Elsewhere != nil && l.Elsewhere(path)
}

// beyondStack warns of rules of the policy that give what a stacked policy gives nobody.
func (l *linter) beyondStack() {
	own := l.modules[0]
	for _, m := range l.modules[1:] {
		for _, r := range own.General.Files {
			l.beyond(m, r, everyone(m))
		}
		for _, u := range own.PerUser {
			for _, r := range u.Files {
				l.beyond(m, r, []string{who(u.User)})
			}
		}
	}
}

func (l *linter) beyond(m *module, r policy.FileRule, users []string) {
	lost := r.Perm
	for _, user := range users {
		if lost &^= m.somewhere(user, r.Path); lost == policy.None {
			return
		}
	}
	l.warn(r.Pos, "remove it here, or give it there", "%s on %s has no effect: %s gives it to nobody there", lost, r.Path, m.name())
}

// everyone gives all users of a module.
func everyone(m *module) []string {
	list := []string{everybody}
	for _, u := range m.PerUser {
		list = append(list, who(u.User))
	}
	return list
}
