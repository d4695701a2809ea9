package view

import (
	"os"
	"sync"

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
	id     uint64           // node id in every view whose root it isn't; never used twice
	handle *unix.FileHandle // nil where the file system has none

	dir  sync.RWMutex // directories: held for reading by look-ups, for writing by changes of names
	gate lazyGate     // Ordered views: one operation on data and attributes at a time

	// Under srv.mu:
	refs   int               // look-ups, views, pins, names below, handlers at work
	pinned bool              // known for good
	links  []link            // names; a directory has at most one
	former []string          // the last name it had, or the directory that it was made in without one
	kids   map[string]*Inode // directories: what names below lead to, as far as known
	roots  []*View           // views that begin here
	open   []*sharedFD       // descriptors of it that are open
	orphan *pathFD           // keeps an object without a name reachable
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
	return append([]string(nil), n.former...)
}

// maxDepth bounds the walk to the root: names that became stale on the host could make a circle.
const maxDepth = 2048

func (n *Inode) paths(depth int) []string {
	if depth > maxDepth {
		return nil
	}
	var all []string
	for _, v := range n.roots {
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
