package fsguard

import (
	"errors"
	"slices"

	"klw/hooks"
	"klw/internal/policy"
)

// Set is what one module of a policy decides by.
type Set struct {
	Module string // its name: Name, or Name and that of a stacked policy
	*Rules
}

// Bound is the file rules and circles of a whole policy, bound to a container.
type Bound struct {
	Files   []Set    // the policy's own, then each stacked one's
	Circles *Circles // nil where there are none
}

// BindPolicy binds all file rules and circles of a policy, beside whatever is in force. What can't be bound is an error
// (policy.ErrorList), all of it at once.
func BindPolicy(p *policy.Policy, views Resolver, users UserLookup, opts ...Option) (*Bound, []Warning, error) {
	b := &Bound{}
	var warnings []Warning
	var mistakes policy.ErrorList
	opts = append(slices.Clip(opts), owned(ownersOf(p.Circles, users)))
	bind := func(module string, set policy.RuleSet) {
		rules, w, err := Bind(set, views, users, opts...)
		warnings = append(warnings, w...)
		mistakes = append(mistakes, mistakesOf(err)...)
		b.Files = append(b.Files, Set{module, rules})
	}
	bind(Name, p.RuleSet)
	for _, l := range p.Stack {
		bind(Name+":"+l.Name, l.RuleSet)
	}
	if len(p.Circles) > 0 && len(mistakes) == 0 {
		c, w, list := bindCircles(p.Circles, b.Files, views, users, opts...)
		b.Circles, mistakes = c, list
		warnings = append(warnings, w...)
	}
	if len(mistakes) > 0 {
		b.Close()
		return nil, warnings, mistakes
	}
	return b, warnings, nil
}

// mistakesOf gives the list that an error of Bind is.
func mistakesOf(err error) (list policy.ErrorList) {
	errors.As(err, &list)
	return list
}

// ownersOf gives the users to whom circles belong, as far as they are known.
func ownersOf(list []policy.Circle, users UserLookup) map[uint32]bool {
	ids := map[uint32]bool{}
	for _, c := range list {
		if id, err := users.UID(c.Owner.String()); err == nil {
			ids[id] = true
		}
	}
	return ids
}

// Close lets go of what the rules name.
func (b *Bound) Close() {
	for _, s := range b.Files {
		if s.Rules != nil {
			s.Close()
		}
	}
	if b.Circles != nil {
		b.Circles.Close()
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
	if b.Circles != nil {
		if a, err := b.Circles.Explain(user, file, need); err != nil || !a.Allowed {
			return a, err
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
	if b.Circles != nil {
		return CircleName, b.Circles.keeps(opener, f, flags, &marks{})
	}
	return "", hooks.Allow
}
