package fsguard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"klw/hooks"
	"klw/internal/policy"
)

// Resolver finds what paths of the container lead to.
type Resolver interface {
	// Follow follows path inside the container's root and keeps the object there known by that name. at is path with
	// symbolic links followed, links are these, by their own names. f is nil where there is nothing: at is then where
	// it would be.
	Follow(path string) (f hooks.File, at string, links []string, err error)
	// Unpin takes back what one Follow did to keep f known.
	Unpin(f hooks.File)
}

// Warning is something that the author of a policy may not have meant.
type Warning struct {
	Pos  policy.Pos
	Text string
}

// String gives file:line:column: text.
func (w Warning) String() string { return w.Pos.String() + ": " + w.Text }

// Option changes what Bind makes.
type Option func(*binder)

// RootMaySetuid says that the bundle leaves CAP_SETUID to root, which then can become any user.
func RootMaySetuid(may bool) Option { return func(b *binder) { b.setuid = may } }

// Unviewed names the mounts of the container that no view shows (proc, sysfs, dev, tmpfs): no rule can be about what is
// there, and one that is, is an error.
func Unviewed(paths ...string) Option { return func(b *binder) { b.unviewed = paths } }

// Enforced names paths of rules that somebody else has put into force on unviewed mounts.
func Enforced(paths ...string) Option { return func(b *binder) { b.enforced = paths } }

// Viewed names the mounts about which there can be rules: those that views show, on top of unviewed ones too.
func Viewed(paths ...string) Option { return func(b *binder) { b.viewed = paths } }

// owned are the users whom nobody becomes by setuid.
func owned(ids map[uint32]bool) Option { return func(b *binder) { b.owned = ids } }

// Bind binds a set of rules to a container, beside whatever is in force. What can't be bound is an error
// (policy.ErrorList), all of it at once. The rules are to be closed.
func Bind(set policy.RuleSet, views Resolver, users UserLookup, opts ...Option) (*Rules, []Warning, error) {
	b := &binder{views: views, seen: map[string]bound{}}
	b.r = &Rules{byUser: map[uint32]*node{}, links: map[string]policy.FileRule{}, users: users, views: views}
	for _, o := range opts {
		o(b)
	}
	b.bind(set)
	if len(b.errs) > 0 {
		b.r.Close()
		b.sortErrors()
		return nil, b.warnings, b.errs
	}
	return b.r, b.warnings, nil
}

func (b *binder) sortErrors() {
	slices.SortStableFunc(b.errs, func(x, y *policy.Error) int {
		return cmp.Or(strings.Compare(x.Pos.File, y.Pos.File), x.Pos.Line-y.Pos.Line)
	})
}

type binder struct {
	views    Resolver
	setuid   bool
	unviewed []string
	enforced []string
	viewed   []string // mounts with rules again
	owned    map[uint32]bool
	r        *Rules
	seen     map[string]bound // by path as written
	written  []*node          // the lists with their paths as written
	warnings []Warning
	errs     policy.ErrorList
}

// bound is a rule's path as it is in the container.
type bound struct {
	path  string
	ok    bool
	links []string // on the way
}

func (b *binder) bind(p policy.RuleSet) {
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
	b.warnLinks(general)
	b.r.general = b.tree(nil, general)
	b.r.lists = []*node{b.r.general}
	b.plantWritten(general)
	for _, id := range order {
		b.warnLinks(general, perUser[id])
		t := b.tree(perUser[id], general)
		b.r.byUser[id] = t
		b.r.lists = append(b.r.lists, t)
		b.plantWritten(perUser[id], general)
	}
	b.checkLinks(general)
	b.checkImmutable(general, general)
	for _, id := range order {
		b.checkLinks(perUser[id])
		b.checkImmutable(general, perUser[id])
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
		b.r.revocable = b.r.revocable || r.Revocable
	}
	for _, r := range general {
		b.r.revocable = b.r.revocable || r.Revocable
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
	t.fix(nil)
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

// follow resolves one rule's path.
func (b *binder) follow(r policy.FileRule) bound {
	if !strings.HasPrefix(r.Path, "/") {
		b.errorf(r.Pos, "a path that begins with /", "the home in %s isn't known here", r.Path)
		return bound{}
	}
	if slices.Contains(b.enforced, r.Path) {
		return bound{path: r.Path, ok: true}
	}
	f, at, links, err := b.views.Follow(r.Path)
	if err != nil {
		b.errorf(r.Pos, "a path that can be followed", "%v", err)
		return bound{}
	}
	if f != nil {
		b.r.pinned = append(b.r.pinned, f)
	}
	for _, l := range links {
		b.r.links[l] = r
	}
	if u := covering(b.unviewed, at); len(u) > len(covering(b.viewed, at)) {
		if len(links) > 0 && r.Perm == policy.Read {
			b.warnings = append(b.warnings, Warning{r.Pos, fmt.Sprintf("%s leads to %s, about which there are no rules: this one only lets the link be read", r.Path, at)})
			return bound{}
		}
		b.errorf(r.Pos, "paths that a view shows", "%s lies on %s, which the container has from the kernel: the rule can't be enforced", r.Path, u)
		return bound{}
	}
	return bound{at, true, links}
}

// Ruled tells whether there can be a rule about a path, by the mounts that Unviewed and Viewed name.
func Ruled(path string, unviewed, viewed []string) bool {
	return len(covering(unviewed, path)) <= len(covering(viewed, path))
}

// covering gives the last mount on the way to a path.
func covering(mounts []string, path string) (last string) {
	for _, m := range mounts {
		if policy.Below(path, m) && len(m) > len(last) {
			last = m
		}
	}
	return last
}

// warnLinks says where the paths of rules led, unless what is there means the same without that rule.
func (b *binder) warnLinks(rules ...[]boundRule) {
	t := &node{}
	for _, list := range rules {
		for _, r := range list {
			if r.path == r.Path {
				t.add(r.path, r.FileRule)
			}
		}
	}
	last := rules[len(rules)-1]
	for _, r := range last {
		if n := t.find(r.path, ""); r.path != r.Path && (n == nil || n.perm != r.Perm) {
			b.warnings = append(b.warnings, Warning{r.Pos, fmt.Sprintf("%s leads to %s: the rule is about that", r.Path, r.path)})
		}
	}
}

// uid finds a user's id.
func (b *binder) uid(u policy.User) (uint32, bool) {
	id, err := b.r.users.UID(u.String())
	if err != nil {
		b.errorf(u.Pos, "a user of the container, or a number", "%v", err)
		return 0, false
	}
	return id, true
}

// warnSetuid says that root reaches what only another user is given.
func (b *binder) warnSetuid(l policy.UserRules, id uint32) {
	if root, err := b.r.users.UID("0"); err == nil && b.setuid && id != root && !b.owned[id] && len(l.Files)+len(l.Sockets) > 0 {
		b.warnings = append(b.warnings, Warning{l.User.Pos, fmt.Sprintf(
			"root keeps CAP_SETUID and can become %s: these rules are within root's reach too", l.User)})
	}
}

func (b *binder) errorf(pos policy.Pos, expected, format string, args ...any) {
	b.errs = append(b.errs, &policy.Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Expected: expected})
}
