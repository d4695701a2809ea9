package fsguard

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/inode"
	"klw/internal/policy"
)

// marked tells which objects are just being moved into a circle, and by what lines. They count as being there.
type marked interface {
	lines(inode.Key) []*reserve
}

// inquiry is one call and what decides about it.
type inquiry struct {
	*Circles
	marks  marked
	caller uint32
}

// decide says what the circles answer to a call. takes are the objects that the call moves into a circle.
func (c *Circles) decide(call *hooks.Call, marks marked) (v hooks.Verdict, takes []take) {
	d := inquiry{c, marks, call.Caller.UID}
	n := &table[call.Op]
	if call.Opener != nil {
		d.caller = call.Opener.UID
		return d.object(call.File, wanted(n.perm(call))), nil
	}
	switch n.on {
	case object:
		return d.object(call.File, wanted(n.perm(call))), nil
	case place:
		return d.onPlace(call, wanted(n.perm(call))), nil
	case moves:
		return d.moves(call)
	}
	return hooks.Allow, nil
}

// onPlace is about a name that is made or taken away.
func (d *inquiry) onPlace(call *hooks.Call, need policy.Perm) hooks.Verdict {
	if v := d.place(call.Dir, call.Name, need); v.Refused() {
		return v
	}
	switch call.Op {
	case hooks.OpSymlink:
		return d.leads(call.Dir, call.Name)
	case hooks.OpUnlink, hooks.OpRmdir:
		if v := d.object(call.File, policy.Write); v.Refused() { // by another of its names
			return v
		}
		return d.way(call.Dir, call.Name, isDir(call.File))
	}
	return hooks.Allow
}

// object refuses what somebody else has reserved of an object, under any of its names.
func (d *inquiry) object(f hooks.File, need policy.Perm) hooks.Verdict {
	if f == nil || need == policy.None {
		return hooks.Allow
	}
	marked := d.marks.lines(f.Key()) // before the names: a mark goes when the object has its new name
	for _, path := range namesOf(f) {
		if v := d.check(d.root.cover(path, ""), path, need); v.Refused() {
			return v
		}
	}
	for _, r := range marked {
		if v := d.check(r, r.path, need); v.Refused() {
			return v
		}
	}
	return hooks.Allow
}

// place refuses what somebody else has reserved of a name in a directory.
func (d *inquiry) place(dir hooks.File, name string, need policy.Perm) hooks.Verdict {
	for _, path := range namesOf(dir) {
		if v := d.check(d.root.cover(path, name), join(path, name), need); v.Refused() {
			return v
		}
	}
	return hooks.Allow
}

// check refuses what a line, if there is one, reserves for somebody else.
func (d *inquiry) check(r *reserve, path string, need policy.Perm) hooks.Verdict {
	if r == nil || r.owner == d.caller || r.Perm&need == 0 {
		return hooks.Allow
	}
	return hooks.Verdict{Errno: syscall.EACCES, Rule: r.rule(), Path: path, Hint: r.hint()}
}

// hint says who may.
func (r *reserve) hint() string {
	return fmt.Sprintf("being user %s, for whom it is reserved: %s", r.user, r)
}

// way refuses to take away what leads to a reserve: a directory above it, or a symbolic link on its way.
func (d *inquiry) way(dir hooks.File, name string, isDir bool) hooks.Verdict {
	for _, path := range namesOf(dir) {
		if r := d.ways[join(path, name)]; r != nil {
			return onTheWay(r, join(path, name), syscall.EACCES)
		}
		if _, at := d.root.walk(path, name); isDir && at != nil && len(at.next) > 0 {
			return onTheWay(at.some(), join(path, name), syscall.EACCES)
		}
	}
	return hooks.Allow
}

// leads refuses to put a symbolic link where a reserve is, or above: when the policy is loaded the next time, the reserve
// would be about what the link leads to.
func (d *inquiry) leads(dir hooks.File, name string) hooks.Verdict {
	for _, path := range namesOf(dir) {
		if _, at := d.root.walk(path, name); at != nil {
			return onTheWay(at.some(), join(path, name), syscall.EACCES)
		}
	}
	return hooks.Allow
}

func onTheWay(r *reserve, path string, errno syscall.Errno) hooks.Verdict {
	return hooks.Verdict{Errno: errno, Rule: r.rule(), Path: path, Hint: fmt.Sprintf("without the line, to which %s leads: %s", path, r)}
}

// special gives what every user may do with a FIFO or a socket: the kernel gives one answer for all.
func (c *Circles) special(f hooks.File) uint32 {
	bits := uint32(4 | 2)
	for _, path := range namesOf(f) {
		r := c.root.cover(path, "")
		if r == nil {
			continue
		}
		if r.Perm&policy.Read != 0 {
			bits &^= 4
		}
		if r.Perm&policy.Write != 0 {
			bits &^= 2
		}
	}
	return bits
}

// access gives what an open file description can do.
func access(o hooks.Opening) policy.Perm {
	switch o.Flags & unix.O_ACCMODE {
	case unix.O_RDONLY:
		return policy.Read
	case unix.O_WRONLY:
		return policy.Write
	}
	return policy.Read | policy.Write
}

// keeps tells whether somebody who has a file open may go on with it.
func (c *Circles) keeps(opener hooks.Caller, f hooks.File, flags uint32, marks marked) hooks.Verdict {
	d := inquiry{c, marks, opener.UID}
	return d.object(f, wanted(keeping(flags)))
}
