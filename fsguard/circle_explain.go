package fsguard

import (
	"slices"

	"klw/hooks"
	"klw/internal/policy"
)

// Explain says what the circles decide about a path of the container: whether it is reserved for somebody else than user,
// a name or a number. Links are followed, and all names that the object is known by count.
func (c *Circles) Explain(user, file string, need policy.Perm) (Answer, error) {
	uid, err := asker(c.users, user)
	if err != nil {
		return Answer{}, err
	}
	if file, err = asked(file, need); err != nil {
		return Answer{}, err
	}
	f, at, _, err := c.views.Follow(file)
	if err != nil {
		return Answer{}, err
	}
	if f != nil {
		defer c.views.Unpin(f)
	}
	names := namesOf(f)
	if !slices.Contains(names, at) {
		names = append([]string{at}, names...)
	}
	a := Answer{User: user, Path: file, Needed: need.String(), Has: need.String(), Allowed: true, Rule: hooks.NoRule}
	for _, name := range names {
		r := c.root.cover(name, "")
		if r == nil || r.owner == uid || r.Perm&wanted(need) == 0 {
			continue
		}
		a.Allowed, a.Rule, a.Line, a.Hint = false, r.rule(), r.String(), r.hint()
		taken := r.Perm
		if taken&policy.Read != 0 {
			taken |= policy.Execute
		}
		a.Has = (need &^ taken).String()
		if name != file {
			a.Decides = name
		}
		break
	}
	return a, nil
}
