package fsguard

import (
	"errors"

	"klw/hooks"
	"klw/internal/policy"
)

// Set is what one module of a policy decides by.
type Set struct {
	Module string // its name: Name, or Name and that of a stacked policy
	*Rules
}

// Bound is the file rules of a whole policy, bound to a container.
type Bound struct {
	Files []Set // the policy's own, then each stacked one's
}

// BindPolicy binds all file rules of a policy, beside whatever is in force: Bind for each of its modules. What can't be
// bound is an error (policy.ErrorList), all of it at once.
func BindPolicy(p *policy.Policy, views Resolver, users UserLookup, opts ...Option) (*Bound, []Warning, error) {
	b := &Bound{}
	var warnings []Warning
	var mistakes policy.ErrorList
	bind := func(module string, set policy.RuleSet) error {
		rules, w, err := Bind(set, views, users, opts...)
		warnings = append(warnings, w...)
		var list policy.ErrorList
		if errors.As(err, &list) {
			mistakes = append(mistakes, list...)
			return nil
		}
		if err == nil {
			b.Files = append(b.Files, Set{module, rules})
		}
		return err
	}
	err := bind(Name, p.RuleSet)
	for _, l := range p.Stack {
		err = errors.Join(err, bind(Name+":"+l.Name, l.RuleSet))
	}
	if err == nil && len(mistakes) > 0 {
		err = mistakes
	}
	if err != nil {
		b.Close()
		return nil, warnings, err
	}
	return b, warnings, nil
}

// Close lets go of what the rules name.
func (b *Bound) Close() {
	for _, s := range b.Files {
		s.Close()
	}
}

// Explain says what the modules decide together: the answer of the first that refuses, else that of the policy's own
// rules.
func (b *Bound) Explain(user, file string, need policy.Perm) (first Answer, err error) {
	for i, s := range b.Files {
		a, err := s.Explain(user, file, need)
		if err != nil || !a.Allowed {
			return a.of(s.Module), err
		}
		if i == 0 {
			first = a
		}
	}
	return first, nil
}

// Keeps tells whether somebody who has a file open may go on with it: Keeps of each module's rules.
func (b *Bound) Keeps(opener hooks.Caller, f hooks.File, flags uint32) (string, hooks.Verdict) {
	for _, s := range b.Files {
		if v := s.Keeps(opener, f, flags); v.Refused() {
			return s.Module, v
		}
	}
	return "", hooks.Allow
}
