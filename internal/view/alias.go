package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// The kernel makes the inode of a mount's own root before it knows that the server has ACLs, and from then on asks for
// the root's ACL at every path that leads through it. So the root is looked up once more, by a name that nobody else can
// use, as a node like all others, and the mount that is handed out begins there. A kernel that can't clone a detached
// mount (before 6.15) hands out the mount as it is, and pays.

// aliasName is what the root is looked up by, below itself, while the mount is being made.
const aliasName = ".klw-root"

// enterByAlias gives a mount that begins at the alias. The given mount stays the caller's.
func (v *View) enterByAlias(mount int) (int, error) {
	v.aliasing.Store(true)
	defer v.aliasing.Store(false)
	fd, err := unix.OpenTree(mount, aliasName, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	return fd, wrap("open_tree", aliasName, err)
}

// lookupAlias answers that look-up.
func (s *session) lookupAlias(out *fuse.EntryOut) fuse.Status {
	st, err := s.root.StatBacking()
	if err != nil {
		return answer(errno(err))
	}
	s.View.mu.Lock()
	k := s.nodes[s.root.id]
	if k == nil {
		k = &node{Inode: s.root}
		s.nodes[s.root.id] = k
		s.hold(s.root)
	}
	k.lookups++
	s.View.mu.Unlock()
	out.NodeId = s.root.id
	s.fillAttr(s.root, &out.Attr, &st)
	out.SetEntryTimeout(validity)
	out.SetAttrTimeout(validity)
	return fuse.OK
}
