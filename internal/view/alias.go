package view

import "github.com/hanwen/go-fuse/v2/fuse"

// The kernel makes the inode of a mount's own root before it knows that the server has ACLs, and from then on asks for
// the root's ACL at every path that leads through it. So the root can be looked up once more, by a name (Options.Alias),
// as a node like all others, and a mount that begins there (open_tree with OPEN_TREE_CLONE) is handed to the
// application. It is not for the serving process to look it up: who is killed while it waits for itself can't die.

// CloseAlias ends the use of Options.Alias.
func (v *View) CloseAlias() { v.aliasing.Store(false) }

// lookupAlias answers the look-up of the root below itself.
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
