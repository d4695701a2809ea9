package fsguard

import (
	"syscall"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

// take is an object that a call moves into a circle.
type take struct {
	file  hooks.File
	dir   hooks.File // where to
	name  string
	path  string      // both in one, for events
	line  *reserve    // what reserves that place
	extra policy.Perm // what is reserved there and wasn't before
}

// moves decides renames and links. What moves must be reserved alike at both places, with one exception: a circle's owner
// may move a file into it that nobody else can reach any more, which is how tools replace a file whole.
func (d *inquiry) moves(c *hooks.Call) (hooks.Verdict, []take) {
	exchange := c.Op == hooks.OpRename && c.Flags&unix.RENAME_EXCHANGE != 0
	if v := d.mayMove(c, exchange); v.Refused() {
		return v, nil
	}
	var takes []take
	to := spot{namesOf(c.NewDir), c.NewName}
	from := spot{namesOf(c.Dir), c.Name}
	if c.Op == hooks.OpLink {
		from = spot{dirs: namesOf(c.File)}
	}
	v := d.move(take{file: c.File, dir: c.NewDir, name: c.NewName}, from, to, &takes)
	if exchange && !v.Refused() {
		v = d.move(take{file: c.NewFile, dir: c.Dir, name: c.Name}, to, from, &takes)
	}
	return v, takes
}

// mayMove wants write on both names and on what they lead to, and nothing on the way of a reserve moved.
func (d *inquiry) mayMove(c *hooks.Call, exchange bool) (v hooks.Verdict) {
	dirs := isDir(c.File) || isDir(c.NewFile)
	for _, ask := range []func() hooks.Verdict{
		func() hooks.Verdict { return d.place(c.NewDir, c.NewName, policy.Write) },
		func() hooks.Verdict { return d.object(c.File, policy.Write) },
		func() hooks.Verdict { return d.object(c.NewFile, policy.Write) },
		func() hooks.Verdict { return d.leadsIf(isLink(c.File), c.NewDir, c.NewName) },
		func() hooks.Verdict { return d.leadsIf(exchange && isLink(c.NewFile), c.Dir, c.Name) },
	} {
		if v = ask(); v.Refused() {
			return v
		}
	}
	if c.Op == hooks.OpLink {
		return v
	}
	if v = d.place(c.Dir, c.Name, policy.Write); v.Refused() {
		return v
	}
	if v = d.way(c.Dir, c.Name, dirs); !v.Refused() {
		v = d.way(c.NewDir, c.NewName, dirs)
	}
	if v.Refused() && dirs {
		v.Errno = syscall.EXDEV // whoever moves it copies
	}
	return v
}

func (d *inquiry) leadsIf(is bool, dir hooks.File, name string) hooks.Verdict {
	if !is {
		return hooks.Allow
	}
	return d.leads(dir, name)
}

// move decides about one object.
func (d *inquiry) move(t take, from, to spot, takes *[]take) hooks.Verdict {
	was, will := d.at(from), d.at(to)
	before, after := was.held(), will.held()
	if before == after {
		return hooks.Allow
	}
	path := to.name
	if len(to.dirs) > 0 {
		path = join(to.dirs[0], to.name)
	}
	if before&^after != 0 {
		return apart(was, path)
	}
	t.line, t.extra, t.path = will, after&^before, path
	*takes = append(*takes, t)
	return hooks.Allow
}

// apart refuses to move between places that are reserved differently.
func apart(r *reserve, path string) hooks.Verdict {
	return hooks.Verdict{Errno: syscall.EXDEV, Rule: r.rule(), Path: path, Hint: "copying it: what is moved keeps who it is reserved for"}
}

// at gives the strictest line about a spot under one of its names, or nil.
func (d *inquiry) at(s spot) (strictest *reserve) {
	for _, dir := range s.dirs {
		if r := d.root.cover(dir, s.name); r.held()&^strictest.held() != 0 {
			strictest = r
		}
	}
	return strictest
}

// held gives what a line reserves; nothing where there is none.
func (r *reserve) held() policy.Perm {
	if r == nil {
		return policy.None
	}
	return r.Perm
}

// free tells whether nobody but the owner can reach what is taken into a circle: it has no other name, and nobody else
// has it open in a way that is reserved there.
func (t take) free(names uint64) bool {
	if f := t.file; f == nil || f.Type()&unix.S_IFMT != unix.S_IFREG && !isLink(f) {
		return f == nil // directories hold what others may hold; FIFOs and sockets are opened without asking
	}
	traced, ok := t.file.(hooks.Traced)
	if !ok {
		return false
	}
	if n, err := traced.Links(); err != nil || n > names {
		return false
	}
	for _, o := range traced.Openings() {
		if o.UID != t.line.owner && access(o)&t.extra != 0 {
			return false
		}
	}
	for _, mode := range traced.Passed() {
		if access(hooks.Opening{Flags: mode})&t.extra != 0 {
			return false
		}
	}
	return true
}
