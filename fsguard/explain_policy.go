package fsguard

import (
	"strconv"
	"strings"

	"klw/internal/policy"
)

// Explain says what p decides about a path, without a container: users are those that p names, symbolic links are not
// followed, and other names of the file are not known. It is the answer of the first module that refuses, else that of
// the policy's own rules.
func Explain(p *policy.Policy, user, file string, need policy.Perm) (Answer, error) {
	file, err := asked(file, need)
	if err != nil {
		return Answer{}, err
	}
	own := answer(planted(p.RuleSet, user), user, file, file, need)
	if !own.Allowed {
		return own, nil
	}
	for _, l := range p.Stack {
		if a := answer(planted(l.RuleSet, user), user, file, file, need); !a.Allowed {
			return a.of(Name + ":" + l.Name), nil
		}
	}
	if a, ok := explainCircles(p.Circles, user, file, need); ok {
		return a, nil
	}
	return own, nil
}

// planted gives the rules for one user.
func planted(set policy.RuleSet, user string) *node {
	t := &node{}
	for _, l := range set.PerUser {
		if means(l.User, user) {
			plant(t, l.Files)
		}
	}
	plant(t, set.General.Files)
	t.fix(nil)
	return t
}

// means tells whether a user of the policy is the one who is asked about. Everywhere root is 0.
func means(u policy.User, asked string) bool { return number(u.String()) == number(asked) }

func number(user string) string {
	if user == "root" {
		return "0"
	}
	if uid, err := strconv.ParseUint(user, 10, 32); err == nil {
		return strconv.FormatUint(uid, 10)
	}
	return user
}

func plant(t *node, rules []policy.FileRule) {
	for _, r := range rules {
		t.add(r.Path, r)
	}
}

// of gives a refusal the name of its module.
func (a Answer) of(module string) Answer {
	if module != Name {
		a.Module, a.Hint = module, there(module, a.Hint)
	}
	return a
}

// there says where a rule that would allow something has to stand.
func there(module, hint string) string {
	layer, stacked := strings.CutPrefix(module, Name+":")
	if hint == "" || !stacked {
		return hint
	}
	return hint + " in the stacked policy " + layer
}
