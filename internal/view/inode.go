package view

import (
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/inode"
)

// rootID is the node id that FUSE gives to the root of every mount.
const rootID = 1

// Inode is one object of the backing file systems. It implements hooks.File.
type Inode struct {
	srv    *Server
	key    inode.Key
	typ    uint32
	id     uint64 // node id in every view, but for the mount's own root (see alias.go); never used twice
	handle handle
	dir    *folder       // directories only
	nlink  atomic.Uint32 // names on the backing, when it was looked at last

	// Under srv.mu:
	refs  int    // look-ups, views, pins, names below, handlers at work
	pins  int    // how often it was pinned
	links []link // names; a directory has at most one
	rare  *rare  // nil as long as there is nothing in it
}

// folder is what only directories have.
type folder struct {
	sync.RWMutex                   // held for reading by look-ups, for writing by changes of names
	kids         map[string]*Inode // what names lead to, as far as known; under srv.mu
}

// rare is what few objects have, kept apart because a server knows many. All under srv.mu.
type rare struct {
	roots  []*View     // views that begin here
	former []string    // the last name it had, or the directory that it was made in without one
	open   []*sharedFD // descriptors of it that are open
	passed uint8       // access modes of opens whose data passed through, as 1<<mode: mappings outlive what is open
	orphan *pathFD     // keeps an object without a name reachable
	gate   gate        // Ordered views: one operation on data and attributes at a time
}

// nothing is what objects have that have nothing rare.
var nothing rare

// uncommon is for reading.
func (n *Inode) uncommon() *rare {
	if n.rare == nil {
		return &nothing
	}
	return n.rare
}

// own is for writing.
func (n *Inode) own() *rare {
	if n.rare == nil {
		n.rare = new(rare)
	}
	return n.rare
}

// order gives the lock of Ordered views.
func (n *Inode) order() gate {
	n.srv.mu.Lock()
	defer n.srv.mu.Unlock()
	r := n.own()
	if r.gate == nil {
		r.gate = newGate()
	}
	return r.gate
}

// link is one name of an object.
type link struct {
	parent *Inode
	name   string
}

// Key is the identity.
func (n *Inode) Key() inode.Key { return n.key }

// Type gives the S_IFMT bits.
func (n *Inode) Type() uint32 { return n.typ }

// Paths gives every name by which the object is known, as absolute paths seen by the application.
func (n *Inode) Paths() []string {
	n.srv.mu.RLock()
	defer n.srv.mu.RUnlock()
	return n.paths(0)
}

// FormerPaths gives the names that an object without one had last.
func (n *Inode) FormerPaths() []string {
	n.srv.mu.RLock()
	defer n.srv.mu.RUnlock()
	return append([]string(nil), n.uncommon().former...)
}

// maxDepth bounds the walk to the root: names that became stale on the host could make a circle.
const maxDepth = 2048

func (n *Inode) paths(depth int) []string {
	if depth > maxDepth {
		return nil
	}
	var all []string
	for _, v := range n.uncommon().roots {
		all = append(all, v.opts.Inside)
	}
	for _, l := range n.links {
		for _, p := range l.parent.paths(depth + 1) {
			if p == "/" {
				p = ""
			}
			all = append(all, p+"/"+l.name)
		}
	}
	return all
}

// OpenBacking opens the object itself, past all views and modules. The caller closes it.
func (n *Inode) OpenBacking(flags int) (*os.File, error) {
	fd, err := n.reach()
	if err != nil {
		return nil, err
	}
	defer n.srv.fds.release(fd)
	f, err := reopen(fd.fd, flags)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: n.key.String(), Err: err}
	}
	return os.NewFile(uintptr(f), n.key.String()), nil
}

// StatBacking gives the object's attributes on the backing.
func (n *Inode) StatBacking() (unix.Stat_t, error) {
	fd, err := n.reach()
	if err != nil {
		return unix.Stat_t{}, err
	}
	defer n.srv.fds.release(fd)
	return fstat(fd.fd)
}

// asFile avoids the interface that is not nil though it holds nil.
func asFile(n *Inode) hooks.File {
	if n == nil {
		return nil
	}
	return n
}
