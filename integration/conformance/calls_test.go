package conformance

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// open is a descriptor in a slot.
type open struct {
	fd  int
	typ uint32
}

// calls are all kinds of steps. They stand in files by what they are about.
var calls = join(
	[]call{
		{"describe", 0, nil, func(w *worker, _ step) string { return w.describe() }},
		{"nothing", 0, nil, func(*worker, step) string { return "" }},
	},
	openCalls, nameCalls, attrCalls, xattrCalls, dataCalls, rangeCalls, lockCalls, dirCalls,
)

func join(lists ...[]call) (all []call) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var callNamed map[string]call

func (w *worker) step(s step) string {
	if callNamed == nil {
		callNamed = map[string]call{}
		for _, c := range calls {
			callNamed[c.name] = c
		}
	}
	if readsDir[s.Op] && w.typ(s.FD) == unix.S_IFDIR {
		return "a directory"
	}
	if keepsSetID[s.Op] {
		defer dropFSETID()()
	}
	return callNamed[s.Op].do(w, s)
}

// fd gives the descriptor of a slot, or of the next one that has any.
func (w *worker) fd(slot int) int {
	for i := range slots {
		if o := w.slots[(slot+i)%slots]; o != nil {
			return o.fd
		}
	}
	return -1
}

// typ gives the type of what is open.
func (w *worker) typ(slot int) uint32 {
	fd := w.fd(slot)
	for _, o := range w.slots {
		if o != nil && o.fd == fd {
			return o.typ
		}
	}
	return 0
}

// at gives the directory that a place is relative to: only directories count.
func (w *worker) at(p place) int {
	if p.At == 0 {
		return w.root
	}
	for i := range slots {
		if o := w.slots[(p.At-1+i)%slots]; o != nil && o.typ == unix.S_IFDIR {
			return o.fd
		}
	}
	return w.root
}

// put fills a slot with the result of an open.
func (w *worker) put(slot, fd int, err error) string {
	if err != nil {
		return done(err)
	}
	if old := w.slots[slot]; old != nil {
		unix.Close(old.fd)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "fstat " + done(err)
	}
	w.slots[slot] = &open{fd, st.Mode & unix.S_IFMT}
	return "ok " + shortStat(st)
}

// done tells how a call ended.
func done(err error, more ...any) string {
	if err == nil {
		return strings.TrimSpace("ok " + fmt.Sprintln(more...))
	}
	var e unix.Errno
	if errors.As(err, &e) {
		return unix.ErrnoName(e)
	}
	return err.Error()
}

// told is done for a system call that Go has no function for.
func told(e unix.Errno, more ...any) string {
	if e != 0 {
		return unix.ErrnoName(e)
	}
	return done(nil, more...)
}

func shortStat(st unix.Stat_t) string {
	size := st.Size
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		size = 0 // depends on the history of the folder
	}
	return fmt.Sprintf("%06o %d:%d size %d links %d", shownMode(st.Mode), st.Uid, st.Gid, size, st.Nlink)
}

func cstring(s string) *byte {
	p, err := unix.BytePtrFromString(s)
	demand("a name", err)
	return p
}
