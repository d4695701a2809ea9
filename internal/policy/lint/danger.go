package lint

import (
	"slices"

	"klw/internal/policy"
)

// writeAndExecute warns of places where what is written can be executed.
func (l *linter) writeAndExecute() {
	const both = policy.Write | policy.Execute
	for _, path := range l.paths {
		for _, user := range l.callers(path) {
			if l.allows(user, path)&both != both {
				continue
			}
			l.warn(l.ruleAt(user, path).Pos, "give execute only where nothing is written", "%s may write %s and execute what is there", named(user), path)
			break
		}
	}
}

// callers gives those whose own rules may count at a path in some module, and everybody else first.
func (l *linter) callers(path string) (list []string) {
	for _, m := range l.modules {
		list = append(list, m.callers(path)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// named gives a user in words.
func named(user string) string {
	switch user {
	case everybody:
		return "everybody"
	case "0":
		return "root"
	}
	return user
}

// ruleAt gives the rule of the policy itself that decides about a path for a user, or for everybody else.
func (l *linter) ruleAt(user, path string) policy.FileRule {
	return *l.modules[0].decide(user, path, nil).rule
}

// allows gives what all modules allow a user at a path.
func (l *linter) allows(user, path string) policy.Perm {
	perm := policy.Read | policy.Write | policy.Execute
	for _, m := range l.modules {
		perm &= m.decide(user, path, nil).perm
	}
	return perm
}

// setuid warns of users' rules that root can have too. Nobody becomes the owner of a circle.
func (l *linter) setuid() {
	if !l.Setuid {
		return
	}
	for _, m := range l.modules {
		for _, u := range m.PerUser {
			owner := slices.ContainsFunc(l.p.Circles, func(c policy.Circle) bool { return who(c.Owner) == who(u.User) })
			if who(u.User) != "0" && !owner && len(u.Files)+len(u.Sockets) > 0 {
				l.warn(u.User.Pos, "take CAP_SETUID out of config.json, or reserve the files in a circle",
					"root keeps CAP_SETUID and can become %s: these rules are within root's reach too", u.User)
			}
		}
	}
}
