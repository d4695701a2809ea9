package fsguard

import (
	"fmt"
	"path"
	"strings"

	"klw/internal/policy"
)

// Answer says what a policy would decide, and why.
type Answer struct {
	User    string `json:"user"`
	Path    string `json:"path"`
	Decides string `json:"decides,omitempty"` // the name that decided, where that isn't Path: links followed, other names
	Module  string `json:"module,omitempty"`  // that refuses, where it isn't the policy's own rules
	Needed  string `json:"needed"`            // permission words
	Allowed bool   `json:"allowed"`
	Has     string `json:"has"`            // what the path has, permission words
	Rule    string `json:"rule"`           // file:line, or "no rule"
	Line    string `json:"line,omitempty"` // the rule's text
	Hint    string `json:"hint,omitempty"` // the smallest change that would allow it
}

// String gives the answer in words, one or two lines.
func (a Answer) String() string {
	verb := "refused"
	if a.Allowed {
		verb = "allowed"
	}
	which, rule := "", a.Rule
	if a.Decides != "" {
		which = ", which is " + a.Decides + ","
	}
	if a.Line != "" {
		rule += ": " + a.Line
	}
	s := fmt.Sprintf("%s: %s of %s%s for %s (%s)", verb, a.Needed, a.Path, which, a.User, there(a.Module, rule))
	if a.Hint != "" {
		s += "\nwould be allowed by: " + a.Hint
	}
	return s
}

// nobody is the highest id, which no account has.
const nobody = ^uint32(0) - 1

// Explain says what the module decides about a path of its container: links are followed, which needs read on
// each, and all names that the object has count. user is a name or a number of the container, or "" for somebody without rules of his own.
func (r *Rules) Explain(user, file string, need policy.Perm) (Answer, error) {
	uid, err := asker(r.users, user)
	if err != nil {
		return Answer{}, err
	}
	if file, err = asked(file, need); err != nil {
		return Answer{}, err
	}
	n, err := look(r.views, file)
	if err != nil {
		return Answer{}, err
	}
	t := r.of(uid)
	for _, l := range n.links {
		if a := answer(t, user, file, l, policy.Read); !a.Allowed && r.links[l].Path == "" {
			return a, nil
		}
	}
	for _, name := range n.names {
		if a := answer(t, user, file, name, need); !a.Allowed {
			return a, nil
		}
	}
	return answer(t, user, file, n.at, need), nil
}

// asked checks a question.
func asked(file string, need policy.Perm) (string, error) {
	if !strings.HasPrefix(file, "/") {
		return "", fmt.Errorf("%q is not an absolute path", file)
	}
	if need == policy.None {
		return "", fmt.Errorf("no permission to ask about, expected read, write or execute")
	}
	return path.Clean(file), nil
}

// answer is about one name of what file leads to.
func answer(t *node, user, file, name string, need policy.Perm) Answer {
	n := t.find(name, "")
	a := Answer{
		User: user, Path: file, Needed: need.String(), Has: n.allows().String(),
		Allowed: need&^n.allows() == 0, Rule: ruleOf(n),
	}
	if name != file {
		a.Decides = name
	}
	if n != nil {
		a.Line = n.rules[0].String()
	}
	if !a.Allowed {
		a.Hint = refuse(n, name, need).Hint
	}
	return a
}
