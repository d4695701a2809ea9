package fsguard

import (
	"klw/hooks"
	"klw/internal/policy"
)

// Explain says what the circles decide about a path of the container: whether it is reserved for somebody else than user,
// a name or a number. Links are followed, and all names that the object has count.
func (c *Circles) Explain(user, file string, need policy.Perm) (Answer, error) {
	uid, err := asker(c.users, user)
	if err != nil {
		return Answer{}, err
	}
	if file, err = asked(file, need); err != nil {
		return Answer{}, err
	}
	n, err := look(c.views, file)
	if err != nil {
		return Answer{}, err
	}
	for _, link := range n.links {
		if r := c.root.cover(link, ""); r.keeps(uid, policy.Read) {
			return r.refuses(user, file, link, policy.Read), nil
		}
	}
	for _, name := range n.names {
		if r := c.root.cover(name, ""); r.keeps(uid, need) {
			return r.refuses(user, file, name, need), nil
		}
	}
	return Answer{User: user, Path: file, Needed: need.String(), Has: need.String(), Allowed: true, Rule: hooks.NoRule}, nil
}

// keeps tells whether a line, if there is one, reserves something of need for somebody else.
func (r *reserve) keeps(uid uint32, need policy.Perm) bool {
	return r != nil && r.owner != uid && r.Perm&wanted(need) != 0
}

// refuses is the answer to somebody for whom it is not reserved, about one name of what file leads to.
func (r *reserve) refuses(user, file, name string, need policy.Perm) Answer {
	taken := r.Perm
	if taken&policy.Read != 0 {
		taken |= policy.Execute
	}
	a := Answer{
		User: user, Path: file, Module: CircleName, Needed: need.String(), Has: (need &^ taken).String(),
		Rule: r.rule(), Line: r.String(), Hint: r.hint(),
	}
	if name != file {
		a.Decides = name
	}
	return a
}

// explainCircles says what circles decide without a container; ok is false if they refuse nothing.
func explainCircles(list []policy.Circle, user, file string, need policy.Perm) (a Answer, ok bool) {
	for _, c := range list {
		if means(c.Owner, user) {
			continue
		}
		for _, line := range c.Reserves {
			if policy.Below(file, line.Path) && line.Perm&wanted(need) != 0 {
				r := &reserve{Reserve: line, path: line.Path, user: c.Owner}
				return r.refuses(user, file, file, need), true
			}
		}
	}
	return a, false
}
