package fsguard

import (
	"fmt"

	"klw/hooks"
	"klw/internal/inode"
	"klw/internal/policy"
)

// Circles are the circles of a policy bound to one container (MISSION.md C): which files are reserved for whom. They
// are never changed.
type Circles struct {
	root   *plot
	ways   map[string]*reserve // symbolic links on the way of reserves, by their own name
	owners map[uint32]*reserve // the first of each owner
	pinned []hooks.File
	files  []Set       // the file rules of the same policy
	all    policy.Perm // that any line reserves
	users  UserLookup
	views  Resolver
}

// reserve is one line of a circle, bound.
type reserve struct {
	policy.Reserve
	path  string // with links followed
	owner uint32
	user  policy.User
	nr    int // of all lines
}

// rule gives the line's place.
func (r *reserve) rule() string { return r.Pos.Rule() }

// Owners gives the users to whom circles belong, each with the place of a line that says so.
func (c *Circles) Owners() map[uint32]string {
	owners := map[uint32]string{}
	for uid, r := range c.owners {
		owners[uid] = r.rule()
	}
	return owners
}

// Close lets go of what the circles name. A module must not decide by them any more.
func (c *Circles) Close() {
	for _, f := range c.pinned {
		c.views.Unpin(f)
	}
	c.pinned = nil
}

// fencer binds circles.
type fencer struct {
	*binder
	c     *Circles
	nr    int
	lines []*reserve
	files []hooks.File // what they lead to; nil where there is nothing
}

// bindCircles binds the circles of a policy whose file rules are bound already.
func bindCircles(list []policy.Circle, files []Set, views Resolver, users UserLookup, opts ...Option) (*Circles, []Warning, policy.ErrorList) {
	f := &fencer{binder: &binder{views: views, r: &Rules{users: users}}}
	for _, o := range opts {
		o(f.binder)
	}
	f.c = &Circles{root: &plot{}, ways: map[string]*reserve{}, owners: map[uint32]*reserve{}, users: users, views: views, files: files}
	for _, circle := range list {
		if uid, ok := f.uid(circle.Owner); ok {
			for _, r := range circle.Reserves {
				f.nr++
				f.add(&reserve{Reserve: r, owner: uid, user: circle.Owner, nr: f.nr}, files)
			}
		}
	}
	if len(f.errs) == 0 {
		f.checkObjects()
	}
	if len(f.errs) > 0 {
		f.sortErrors()
		f.c.Close()
		return nil, f.warnings, f.errs
	}
	return f.c, f.warnings, nil
}

// add binds one line.
func (f *fencer) add(r *reserve, files []Set) {
	at, path, links, err := f.views.Follow(r.Path)
	if err != nil {
		f.errorf(r.Pos, "a path that can be followed", "%v", err)
		return
	}
	if at != nil {
		f.c.pinned = append(f.c.pinned, at)
	}
	if u := covering(f.unviewed, path); len(u) > len(covering(f.viewed, path)) {
		f.errorf(r.Pos, "a path that a view shows", "%s lies on %s, which the container has from the kernel: it can't be reserved", r.Path, u)
		return
	}
	if r.path = path; path != r.Path {
		f.warnings = append(f.warnings, Warning{r.Pos, fmt.Sprintf("%s leads to %s: that is reserved", r.Path, path)})
	}
	for _, l := range links {
		f.c.ways[l] = r
		if w := everybodyWrites(files, l); w != nil {
			f.errorf(r.Pos, path+", or no link there", "%s goes through the link %s, which %s (%s) lets the application replace: it could lead the circle anywhere",
				r.Path, l, w, w.Pos.Rule())
		}
	}
	f.enter(r, path)
	f.c.all |= r.Perm
	f.lines, f.files = append(f.lines, r), append(f.files, at)
	f.warnOpen(r, at)
	if f.c.owners[r.owner] == nil {
		f.c.owners[r.owner] = r
	}
}

// enter puts a line at a path, unless another one is about the same.
func (f *fencer) enter(r *reserve, path string) {
	switch other := f.c.root.clash(path); other {
	case nil:
		f.c.root.add(path, r)
	case r: // a folder that shows a part of itself
	default:
		f.twice(r, other, path)
	}
}

// twice reports two lines about one file.
func (f *fencer) twice(r, other *reserve, path string) {
	if other.nr > r.nr {
		r, other = other, r
	}
	for _, e := range f.errs {
		if e.Pos == r.Pos {
			return
		}
	}
	f.errorf(r.Pos, "a file in one circle at most", "%s for %s and %s for %s (%s) are both about %s",
		r, r.user, other, other.user, other.rule(), path)
}

// checkObjects reports lines that are about one object by several names: hard links, and folders that are bound twice.
func (f *fencer) checkObjects() {
	byKey := map[inode.Key]*reserve{}
	for i, r := range f.lines {
		if f.files[i] == nil {
			continue
		}
		key := f.files[i].Key()
		if other := byKey[key]; other != nil {
			f.twice(r, other, other.path)
		}
		byKey[key] = r
		for _, name := range f.files[i].Paths() {
			if other := f.c.root.cover(name, ""); other != nil && other != r {
				f.twice(r, other, name)
			} else if isDir(f.files[i]) && name != r.path {
				f.enter(r, name) // what doesn't exist yet there is reserved by this name too
			}
		}
	}
}

// warnOpen says that what is open stays open.
func (f *fencer) warnOpen(r *reserve, at hooks.File) {
	t, ok := at.(hooks.Traced)
	if !ok {
		return
	}
	for _, o := range t.Openings() {
		if o.UID != r.owner && access(o)&r.Perm != 0 {
			f.warnings = append(f.warnings, Warning{r.Pos, fmt.Sprintf("%s is open already, by user %d: what is open stays open", r.path, o.UID)})
			return
		}
	}
}

// everybodyWrites gives a rule of the first module that lets somebody change a name, if one of each module does.
func everybodyWrites(files []Set, path string) (first *policy.FileRule) {
	for i, s := range files {
		w := writerIn(s.lists, path)
		if w == nil {
			return nil
		}
		if i == 0 {
			first = w
		}
	}
	return first
}
