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
//
// Where that can't be, it takes a rule for the folder; more tells that there is a new one, so that all is to be looked at
// again.
func (b *builder) allowLinks(l *lists) (list []alias, more bool) {
	// The last first: where one leads there may be rules by another's name.
	slices.SortFunc(b.links, func(x, y Use) int { return strings.Compare(y.Path, x.Path) })
	done := map[string]bool{}
	for _, u := range b.links {
		if done[u.Path] || b.old.onWay[u.Path] || l.has(u.User, u.Path)&policy.Read != 0 {
			continue
		}
		at, via := b.followLink(u.Path)
		found, ok := []alias(nil), false
		if at != "" && !slices.ContainsFunc(via, func(p string) bool { return b.writable(l, p) }) {
			found, ok = b.aliases(l, u.Path, at, list)
		}
		if !ok {
			more = b.readFolder(l, u) || more
			continue
		}
		done[u.Path] = true
		list = append(list, found...)
	}
	return list, more
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

// readFolder lets a link be read by a rule for its folder, and tells whether that is new.
func (b *builder) readFolder(l *lists, u Use) bool {
	dir, _ := l.governing(u.User, u.Path)
	if dir == "" || dir == u.Path {
		dir = path.Dir(u.Path)
	}
	if !b.foldable(dir) {
		b.omit(u.User, u.Perm, u.Path, "a symbolic link, which takes a rule for "+dir)
		return false
	}
	n := b.node(dir)
	had := n.need[u.User]
	n.add(u.User, policy.Read)
	n.kind |= Folder
	n.because("symbolic links in it were read")
	return n.need[u.User] != had
}

// aliases gives rules by a link's name, if there can be some that change nothing else.
func (b *builder) aliases(l *lists, link, at string, before []alias) ([]alias, bool) {
	if b.o.Ruled != nil && !b.o.Ruled(at) {
		return []alias{{Everybody, policy.FileRule{Path: link, Perm: policy.Read}, "only the link: it leads to " + word(at) + ", about which there is no rule"}}, true
	}
	why := "by a link that leads to " + word(at)
	for _, uid := range append([]uint32{Everybody}, slices.Sorted(maps.Keys(l.user))...) {
		if p, ok := l.firstIn(uid, at); ok {
			perm, ok := named(l.list(uid)[p], p == at)
			return []alias{{uid, policy.FileRule{Path: join(link, strings.TrimPrefix(p, at)), Perm: perm}, why}}, ok
		}
	}
	for _, a := range before {
		if policy.Below(a.rule.Path, at) {
			a.rule.Path, a.why = join(link, strings.TrimPrefix(a.rule.Path, at)), why
			return []alias{a}, true
		}
	}
	return b.governed(l, link, at, why)
}

// named gives what a rule by a link's own name says beside one for where it leads, with which it joins. It must not give
// write: by its own words it would let the link be replaced.
func named(perm policy.Perm, link bool) (policy.Perm, bool) {
	if !link {
		return perm, true
	}
	return perm &^ policy.Write, perm != policy.Write
}

// governed gives rules by the name of a link that leads to where a rule further up counts: for each list one that says
// the same.
func (b *builder) governed(l *lists, link, at, why string) (list []alias, ok bool) {
	general := l.has(Everybody, at)
	if general == policy.None {
		why = "only the link: what it leads to wasn't used"
	}
	add := func(uid uint32, has policy.Perm) bool {
		perm, ok := named(has, true)
		if perm != has {
			list = append(list, alias{uid, policy.FileRule{Path: at, Perm: has}, ""})
		}
		list = append(list, alias{uid, policy.FileRule{Path: link, Perm: perm}, why})
		return ok
	}
	ok = add(Everybody, general)
	for _, uid := range slices.Sorted(maps.Keys(l.user)) {
		switch has := l.has(uid, at); {
		case general&^has != 0: // what is for everybody would be for this user too
			return nil, false
		case has != general:
			ok = add(uid, has) && ok
		}
	}
	return list, ok
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
