package learn

import (
	"path"
	"slices"

	"klw/internal/policy"
)

// tie gives the same permissions to places between which something was moved or linked.
func (b *builder) tie(ties []Tie) {
	ties = slices.Clone(ties)
	slices.SortFunc(ties, func(x, y Tie) int { return slices.Compare([]string{x.A, x.B}, []string{y.A, y.B}) })
	for changed := true; changed; { // permissions only grow, so this ends
		changed = false
		l := b.rules()
		for _, t := range ties {
			if b.level(l, t) {
				l, changed = b.rules(), true
			}
		}
	}
}

// tellApart tells which places could not be made equal.
func (b *builder) tellApart(l *lists, ties []Tie) {
	for _, t := range ties {
		if b.differ(l, t) || t.Folder && (l.below(t.A) || l.below(t.B)) {
			b.out.Omitted = append(b.out.Omitted, "moves from "+word(t.A)+" to "+word(t.B)+
				" are answered EXDEV, as between file systems: rules differ")
		}
	}
}

func (b *builder) differ(l *lists, t Tie) bool {
	return slices.ContainsFunc(b.subjects(), func(uid uint32) bool { return l.has(uid, t.A) != l.has(uid, t.B) })
}

// level makes two places equal, and tells whether it had to change anything.
func (b *builder) level(l *lists, t Tie) (changed bool) {
	if !b.differ(l, t) {
		return false
	}
	for _, uid := range b.subjects() {
		want := l.has(uid, t.A) | l.has(uid, t.B)
		changed = b.raise(l, uid, t.A, t.B, want) || changed
		changed = b.raise(l, uid, t.B, t.A, want) || changed
	}
	return changed
}

// raise gives more to a user at a place, by the rule that governs it where it has none of its own and won't have that
// name again.
func (b *builder) raise(l *lists, uid uint32, p, other string, want policy.Perm) bool {
	if want&^l.has(uid, p) == 0 || b.old.closes(uid, p, want&^l.has(uid, p)) != nil {
		return false
	}
	at := p
	if above, n := b.above(p); b.nodes[p] == nil && n != nil && madeUp(path.Base(p)) {
		at = above
	}
	if b.linked[p] { // there is no rule for a link itself
		if at, _ = l.governing(uid, p); at == "" {
			at = path.Dir(p)
		}
		if !b.foldable(at) {
			return false
		}
	}
	n := b.node(at)
	if want&^n.need[uid] == 0 {
		return false
	}
	n.add(uid, want)
	n.because("files are moved or linked between here and " + word(other))
	return true
}

// below tells whether a rule is about something strictly below a path.
func (l *lists) below(dir string) bool {
	for _, r := range append([]rules{l.general}, l.each()...) {
		for p := range r {
			if p != dir && policy.Below(p, dir) {
				return true
			}
		}
	}
	return false
}

func (l *lists) each() (list []rules) {
	for _, r := range l.user {
		list = append(list, r)
	}
	return list
}
