package learn

import (
	"maps"
	"path"
	"slices"
	"strings"

	"klw/internal/policy"
)

// alias is a rule whose path goes through a symbolic link, so that the link can be read.
type alias struct {
	user uint32
	rule policy.FileRule
	why  string
}

// allowLinks lets symbolic links be read that no rule covers. A rule's path is followed, so that a rule can't be about a
// link; but the links on the way of a rule may be read. So it is given by the link's name what is given anyway where
// the link leads.
func (b *builder) allowLinks(l *lists) (list []alias) {
	// The longest first: where a shorter one leads there may be rules by the longer one's name.
	slices.SortFunc(b.links, func(x, y Use) int { return strings.Compare(y.Path, x.Path) })
	done := map[string]bool{}
	for _, u := range b.links {
		if done[u.Path] || b.old.onWay[u.Path] || l.has(u.User, u.Path)&policy.Read != 0 {
			continue
		}
		at, via := b.followLink(u.Path)
		if at == "" || slices.ContainsFunc(via, func(p string) bool { return b.writable(l, p) }) {
			b.readFolder(l, u)
			continue
		}
		done[u.Path] = true
		list = append(list, b.aliases(l, u.Path, at, list)...)
	}
	return list
}

func (b *builder) followLink(p string) (at string, via []string) {
	if b.o.Follow == nil {
		return "", nil
	}
	at, via, err := b.o.Follow(p)
	if err != nil || !slices.Contains(via, p) { // it isn't a link any more
		return "", nil
	}
	return at, via
}

// writable tells whether anybody may change a name.
func (b *builder) writable(l *lists, p string) bool {
	return slices.ContainsFunc(b.subjects(), func(uid uint32) bool { return l.has(uid, p)&policy.Write != 0 })
}

// readFolder lets a link be read that the application may replace: by a rule for its folder.
func (b *builder) readFolder(l *lists, u Use) {
	dir, _ := l.governing(u.User, u.Path)
	if dir == "" || dir == u.Path {
		dir = path.Dir(u.Path)
	}
	if !b.foldable(dir) {
		b.omit(u.User, u.Perm, u.Path, "a symbolic link, which takes a rule for "+dir)
		return
	}
	n := b.node(dir)
	n.add(u.User, policy.Read)
	n.kind |= Folder
	n.because("symbolic links in it were read")
	b.put(l, dir, n)
}

// aliases gives rules by a link's name.
func (b *builder) aliases(l *lists, link, at string, before []alias) []alias {
	if b.o.Ruled != nil && !b.o.Ruled(at) {
		return []alias{{Everybody, policy.FileRule{Path: link, Perm: policy.Read}, "only the link: it leads to " + word(at) + ", about which there is no rule"}}
	}
	why := "by a link that leads to " + word(at)
	for _, uid := range append([]uint32{Everybody}, slices.Sorted(maps.Keys(l.user))...) {
		if p, ok := l.firstIn(uid, at); ok {
			return []alias{{uid, policy.FileRule{Path: join(link, strings.TrimPrefix(p, at)), Perm: l.list(uid)[p]}, why}}
		}
	}
	for _, a := range before {
		if policy.Below(a.rule.Path, at) {
			a.rule.Path, a.why = join(link, strings.TrimPrefix(a.rule.Path, at)), why
			return []alias{a}
		}
	}
	general := l.has(Everybody, at)
	list := []alias{{Everybody, policy.FileRule{Path: link, Perm: general}, why}}
	if general == policy.None {
		list[0].why = "only the link: what it leads to wasn't used"
	}
	for uid := range l.user {
		if more := l.has(uid, at); more != general {
			list = append(list, alias{uid, policy.FileRule{Path: link, Perm: more}, why})
		}
	}
	return list
}

func join(dir, rest string) string {
	if rest == "" {
		return dir
	}
	return dir + "/" + strings.TrimPrefix(rest, "/")
}

func (l *lists) list(uid uint32) rules {
	if uid == Everybody {
		return l.general
	}
	return l.user[uid]
}

// firstIn gives the first rule of a list about a path or what is below it.
func (l *lists) firstIn(uid uint32, at string) (first string, ok bool) {
	for p := range l.list(uid) {
		if policy.Below(p, at) && (!ok || p < first) {
			first, ok = p, true
		}
	}
	return first, ok
}
