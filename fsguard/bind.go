package fsguard

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"

	"klw/hooks"
	"klw/internal/policy"
)

// Resolver finds what paths of the container lead to.
type Resolver interface {
	// Pin follows path inside the container's root and keeps the object known by the name it has there, which is
	// returned, until the resolver is closed. An error that is ENOENT says that nothing is there.
	Pin(path string) (hooks.File, string, error)
}

// Warning is something that the author of a policy may not have meant.
type Warning struct {
	Pos  policy.Pos
	Text string
}

// String gives file:line:column: text.
func (w Warning) String() string { return w.Pos.String() + ": " + w.Text }

// Option changes what New makes.
type Option func(*binder)

// RootMaySetuid says that the bundle leaves CAP_SETUID to root, which then can become any user.
func RootMaySetuid(may bool) Option { return func(b *binder) { b.setuid = may } }

// New binds a policy to a container. What can't be bound is an error (policy.ErrorList), all of it at once.
func New(p *policy.Policy, views Resolver, users UserLookup, opts ...Option) (*Module, []Warning, error) {
	b := &binder{views: views, seen: map[string]bound{}}
	b.m = &Module{byUser: map[uint32]*node{}, links: map[string]policy.FileRule{}, users: users}
	for _, o := range opts {
		o(b)
	}
	b.bind(p)
	if len(b.errs) > 0 {
		slices.SortStableFunc(b.errs, func(x, y *policy.Error) int {
			return cmp.Or(strings.Compare(x.Pos.File, y.Pos.File), x.Pos.Line-y.Pos.Line)
		})
		return nil, b.warnings, b.errs
	}
	return b.m, b.warnings, nil
}

type binder struct {
	views    Resolver
	setuid   bool
	m        *Module
	seen     map[string]bound // by path as written
	warnings []Warning
	errs     policy.ErrorList
}

// bound is a rule's path as it is in the container.
type bound struct {
	path string
	ok   bool
}

func (b *binder) bind(p *policy.Policy) {
	general := b.resolve(p.General.Files)
	perUser := map[uint32][]boundRule{}
	var order []uint32
	for _, l := range p.PerUser {
		id, ok := b.uid(l.User)
		if !ok {
			continue
		}
		if _, known := perUser[id]; !known {
			order = append(order, id)
		}
		perUser[id] = append(perUser[id], b.resolve(l.Files)...)
		b.warnSetuid(l, id)
	}
	b.m.general = b.tree(nil, general)
	b.m.lists = []*node{b.m.general}
	for _, id := range order {
		t := b.tree(perUser[id], general)
		b.m.byUser[id] = t
		b.m.lists = append(b.m.lists, t)
	}
}

// boundRule is a rule and the path in the container that it is about.
type boundRule struct {
	policy.FileRule
	path string
}

// tree makes one caller's tree, of the caller's own rules and the general ones. Without own rules, the general ones
// are compared with each other.
func (b *binder) tree(own, general []boundRule) *node {
	t := &node{}
	mine := map[policy.Pos]bool{}
	for _, r := range own {
		if n := t.ruledAt(r.path); n != nil {
			b.contradiction(r.FileRule, n.rules[0], r.path)
		}
		mine[r.Pos] = true
		t.add(r.path, r.FileRule)
	}
	for _, r := range general {
		if n := t.ruledAt(r.path); n != nil {
			switch first := n.rules[0]; {
			case len(own) == 0:
				b.contradiction(r.FileRule, first, r.path)
			case mine[first.Pos] && first.Perm == policy.None: // a general "none" beside a user's rule is for all others
				b.contradiction(first, r.FileRule, r.path)
			}
		}
		t.add(r.path, r.FileRule)
	}
	return t
}

// contradiction reports a "none" and more for one path, which would join: the parser sees only how paths are written.
func (b *binder) contradiction(r, old policy.FileRule, path string) {
	if (old.Perm == policy.None) != (r.Perm == policy.None) {
		b.errorf(r.Pos, "one of them", "%s and %s (%s) are about the same path %s", r, old, old.Pos.Rule(), path)
	}
}

// resolve finds the paths of rules in the container.
func (b *binder) resolve(rules []policy.FileRule) []boundRule {
	var list []boundRule
	for _, r := range rules {
		at, known := b.seen[r.Path]
		if !known {
			at = b.follow(r)
			b.seen[r.Path] = at
		}
		if at.ok {
			list = append(list, boundRule{r, at.path})
		}
	}
	return list
}

// follow resolves one rule's path. What doesn't exist keeps its name, below the place that the rest leads to.
func (b *binder) follow(r policy.FileRule) bound {
	rest := ""
	for at := r.Path; ; at, rest = path.Dir(at), path.Join(path.Base(at), rest) {
		f, led, err := b.views.Pin(at)
		if err == nil {
			return b.pinned(r, at, led, rest, f)
		}
		if !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ENOTDIR) || at == "/" {
			b.errorf(r.Pos, "a path that can be followed", "%s: %v", at, err)
			return bound{}
		}
	}
}

func (b *binder) pinned(r policy.FileRule, at, led, rest string, f hooks.File) bound {
	b.m.pinned = append(b.m.pinned, f)
	whole := path.Join(led, rest)
	if at != led {
		b.warnings = append(b.warnings, Warning{r.Pos, fmt.Sprintf("%s leads to %s: the rule is about that", r.Path, whole)})
		b.way(r, at)
	}
	return bound{whole, true}
}

// way notes the links that a path goes through, so that everybody may read them.
func (b *binder) way(r policy.FileRule, p string) {
	led := "/"
	for part := range strings.SplitSeq(p[1:], "/") {
		name := path.Join(led, part)
		_, next, err := b.views.Pin(name)
		if err != nil {
			b.errorf(r.Pos, "a path that can be followed", "%s: %v", name, err)
			return
		}
		if next != name {
			b.m.links[name] = r
		}
		led = next
	}
}

// uid finds a user's id.
func (b *binder) uid(u policy.User) (uint32, bool) {
	if u.HasID {
		return u.ID, true
	}
	id, err := b.m.users.UID(u.Name)
	if err != nil {
		b.errorf(u.Pos, "a user of the container, or a number", "%v", err)
		return 0, false
	}
	return id, true
}

// warnSetuid says that root reaches what only another user is given.
func (b *binder) warnSetuid(l policy.UserRules, id uint32) {
	if b.setuid && id != 0 && len(l.Files)+len(l.Sockets) > 0 {
		b.warnings = append(b.warnings, Warning{l.User.Pos, fmt.Sprintf(
			"root keeps CAP_SETUID and can become %s: these rules are within root's reach too", l.User)})
	}
}

func (b *binder) errorf(pos policy.Pos, expected, format string, args ...any) {
	b.errs = append(b.errs, &policy.Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Expected: expected})
}
