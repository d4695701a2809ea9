package fsguard

import (
	"slices"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
	"klw/internal/policy/learn"
)

// Learn ends enforcing: from the next operation on the module allows everything and puts what is used into the table,
// with what would have been refused marked. FIFOs and sockets are limited by what attributes show, and so for a second
// more at most; that one of them was looked up counts as its use, since the kernel tells of no other.
func (m *Module) Learn(t *learn.Table) { m.learning.Store(t) }

// Enforce ends learning: every operation that begins from now on is decided by the rules again. What is open stays open.
func (m *Module) Enforce() { m.learning.Store(nil) }

// Learning tells whether the module learns.
func (m *Module) Learning() bool { return m.learning.Load() != nil }

// learn records a call.
func (r *Rules) learn(t *learn.Table, c *hooks.Call) {
	l := lesson{table: t, user: c.Caller.UID}
	if r.decide(c).Refused() {
		l.kind = learn.Unlisted
	}
	switch n := &table[c.Op]; n.on {
	case object:
		kind := kindOf(c.File)
		if c.Op == hooks.OpOpenDir {
			kind |= learn.Listed
		}
		l.object(c.File, n.perm(c), kind)
	case place:
		l.place(c.Dir, c.Name, n.perm(c), placeKind(c))
		if c.Op == hooks.OpUnlink {
			l.oneMatter(c.File)
		}
	case moves:
		l.move(c)
	}
}

// lesson is one call being recorded.
type lesson struct {
	table *learn.Table
	user  uint32
	kind  learn.Kind
}

func (l lesson) add(path string, need policy.Perm, kind learn.Kind) {
	l.table.Add(learn.Use{User: l.user, Path: path, Perm: need, Kind: kind | l.kind})
}

// object records that need is wanted on every name of f.
func (l lesson) object(f hooks.File, need policy.Perm, kind learn.Kind) {
	if need == policy.None {
		return
	}
	names := namesOf(f)
	if len(names) == 0 {
		l.table.Nameless()
	}
	for _, path := range names {
		l.add(path, need, kind)
	}
}

// place records that need is wanted on a name in a directory.
func (l lesson) place(dir hooks.File, name string, need policy.Perm, kind learn.Kind) {
	dirs := namesOf(dir)
	if len(dirs) == 0 {
		l.table.Nameless()
	}
	for _, path := range dirs {
		l.add(join(path, name), need, kind)
	}
}

// move records a rename or a link.
func (l lesson) move(c *hooks.Call) {
	kind := kindOf(c.File)
	l.place(c.NewDir, c.NewName, policy.Write, kind|learn.Made)
	if c.Op == hooks.OpLink {
		l.tie(namesOf(c.File), places(c.NewDir, c.NewName), false)
		return
	}
	from := kind
	if c.Flags&unix.RENAME_EXCHANGE != 0 {
		from |= kindOf(c.NewFile) | learn.Made
	}
	l.place(c.Dir, c.Name, policy.Write, from)
	if c.NewFile != nil {
		l.object(c.NewFile, policy.Write, kindOf(c.NewFile))
		l.oneMatter(c.NewFile)
	}
	l.tie(places(c.Dir, c.Name), places(c.NewDir, c.NewName), isDir(c.File) || isDir(c.NewFile))
}

// oneMatter: a name that goes away must not have held anybody back by which the object is known further.
func (l lesson) oneMatter(f hooks.File) {
	if names := namesOf(f); len(names) > 1 {
		l.tie(names[:1], names[1:], false)
	}
}

func (l lesson) tie(from, to []string, folder bool) {
	for _, a := range from {
		for _, b := range to {
			l.table.Tie(learn.Tie{A: a, B: b, Folder: folder})
		}
	}
}

// places gives a name in a directory by all the names that this has.
func places(dir hooks.File, name string) []string {
	list := slices.Clone(namesOf(dir))
	for i, d := range list {
		list[i] = join(d, name)
	}
	return list
}

func kindOf(f hooks.File) (k learn.Kind) {
	if f == nil {
		return 0
	}
	switch f.Type() & unix.S_IFMT {
	case unix.S_IFDIR:
		k = learn.Folder
	case unix.S_IFLNK:
		k = learn.Link
	case unix.S_IFIFO, unix.S_IFSOCK:
		k = learn.Special
	}
	return k
}

// placeKind is what is peculiar about a name that is made or removed.
func placeKind(c *hooks.Call) learn.Kind {
	switch c.Op {
	case hooks.OpMkdir:
		return learn.Folder | learn.Made
	case hooks.OpSymlink:
		return learn.Link | learn.Made
	case hooks.OpTmpfile:
		return learn.Folder
	case hooks.OpMknod:
		switch c.Mode & unix.S_IFMT {
		case unix.S_IFIFO, unix.S_IFSOCK:
			return learn.Made | learn.Special
		}
		return learn.Made
	case hooks.OpCreate:
		return learn.Made
	}
	return kindOf(c.File)
}

// learnSpecial records that a FIFO or a socket was looked up.
func (r *Rules) learnSpecial(t *learn.Table, f hooks.File) {
	l := lesson{table: t, user: learn.Everybody}
	if r.special(f) != mayAll {
		l.kind = learn.Unlisted
	}
	l.object(f, policy.Read|policy.Write, learn.Special)
}
