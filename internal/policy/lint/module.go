package lint

import (
	"slices"
	"strings"

	"klw/internal/policy"
)

// everybody stands for users without rules of their own.
const everybody = ""

// module is a set of rules, to be asked.
type module struct {
	policy.RuleSet
	layer   string                                // "" is the policy's own
	rules   map[string]map[string]policy.FileRule // by user, then by path
	users   map[string][]string                   // who has rules of his own for a path
	paths   []string                              // of all rules, sorted
	sockets                                       // for everybody
}

func index(p *policy.Policy) []*module {
	list := []*module{newModule(p.RuleSet, "")}
	for _, s := range p.Stack {
		list = append(list, newModule(s.RuleSet, s.Name))
	}
	return list
}

func newModule(set policy.RuleSet, layer string) *module {
	m := &module{RuleSet: set, layer: layer, rules: map[string]map[string]policy.FileRule{}, users: map[string][]string{},
		sockets: newSockets(set.General.Sockets)}
	m.add(everybody, set.General.Files)
	for _, u := range set.PerUser {
		m.add(who(u.User), u.Files)
	}
	slices.Sort(m.paths)
	m.paths = slices.Compact(m.paths)
	return m
}

func (m *module) add(user string, files []policy.FileRule) {
	if m.rules[user] == nil {
		m.rules[user] = map[string]policy.FileRule{}
	}
	for _, r := range files {
		m.rules[user][r.Path] = r
		m.paths = append(m.paths, r.Path)
		if user != everybody {
			m.users[r.Path] = append(m.users[r.Path], user)
		}
	}
}

// who names a user in one way.
func who(u policy.User) string {
	if u.String() == "root" {
		return "0"
	}
	return u.String()
}

// decision is what the rules for a path say to a user.
type decision struct {
	perm                 policy.Perm
	immutable, revocable bool
	rule                 *policy.FileRule // the first that says so; nil: none is above
}

// same tells whether two decisions allow the same in the same way.
func (d decision) same(e decision) bool {
	return d.perm == e.perm && d.immutable == e.immutable && d.revocable == e.revocable
}

// decide says what a user has at a path, as if one rule (unless it is nil) did not stand there.
func (m *module) decide(user, path string, without *policy.FileRule) (d decision) {
	lists := []string{user, everybody}
	if user == everybody {
		lists = lists[1:]
	}
	for dir := range above(path) {
		found := false
		for _, list := range lists {
			r, ok := m.rules[list][dir]
			if !ok || without != nil && r == *without {
				continue
			}
			d.perm |= r.Perm
			d.revocable = d.revocable || r.Revocable
			if !found {
				d.rule, found = &r, true
			}
		}
		if found {
			break
		}
	}
	d.immutable = m.immutable(path, without)
	return d
}

// immutable tells whether a rule says so of a path or of what is above it.
func (m *module) immutable(path string, without *policy.FileRule) bool {
	for dir := range above(path) {
		if r, ok := m.rules[everybody][dir]; ok && r.Immutable && (without == nil || r != *without) {
			return true
		}
	}
	return false
}

// callers gives those whose own rules may count at a path, and everybody else.
func (m *module) callers(path string) []string {
	list := []string{everybody}
	for dir := range above(path) {
		list = append(list, m.users[dir]...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// below gives the paths of rules that lie below a path.
func (m *module) below(path string) []string {
	prefix := strings.TrimSuffix(path, "/") + "/"
	from, _ := slices.BinarySearch(m.paths, prefix)
	to := from
	for to < len(m.paths) && strings.HasPrefix(m.paths[to], prefix) {
		to++
	}
	return m.paths[from:to]
}

// somewhere gives what a user has at a path or anywhere below it.
func (m *module) somewhere(user, path string) policy.Perm {
	perm := m.decide(user, path, nil).perm
	for _, p := range m.below(path) {
		perm |= m.decide(user, p, nil).perm
	}
	return perm
}

// name gives the module in words.
func (m *module) name() string {
	if m.layer == "" {
		return "the policy"
	}
	return "the stacked policy " + m.layer
}

// above gives a path and all above it, the longest first.
func above(path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for yield(path) && path != "/" {
			path = path[:max(strings.LastIndexByte(path, '/'), 1)]
		}
	}
}
