package view

import "klw/hooks"

// What is open by passthrough is the kernel's matter: nothing can take it back. So a file that a Pre marks (Call.Revocable)
// is opened without, if no passthrough is open: the kernel refuses a mixture. It then asks for what it has no pages of,
// modules can refuse that, and the pages that it has can be dropped.

// OpenFile is a file that is open and about whose data modules are asked.
type OpenFile struct {
	File   *Inode
	Flags  uint32 // of the open
	Opener hooks.Caller
}

// Asked lists the files that are open and about whose data modules are asked.
func (s *Server) Asked() (list []OpenFile) {
	for _, v := range s.allViews() {
		v.mu.RLock()
		for _, f := range v.files {
			if f.asker != nil {
				list = append(list, OpenFile{f.node.Inode, f.flags, *f.asker})
			}
		}
		v.mu.RUnlock()
	}
	return list
}

// DropPages has the kernel write back what mappings have changed of an object and forget its pages, in every view: the
// next access asks for them. It touches no name, and waits for requests that are under way.
func (s *Server) DropPages(n *Inode) {
	for _, v := range s.allViews() {
		v.invalidate(n, 0)
	}
}

// invalidate expires a node's attributes and, from an offset that isn't negative on, its pages.
func (v *View) invalidate(n *Inode, offset int64) {
	v.mu.RLock()
	_, known := v.nodes[n.id]
	v.mu.RUnlock()
	if known {
		_ = v.fuse.InodeNotify(n.id, offset, 0) // one that the kernel has forgotten meanwhile has nothing to expire
	}
	if n == v.root {
		_ = v.fuse.InodeNotify(rootID, offset, 0)
	}
}

func (s *Server) allViews() []*View {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]*View(nil), s.views...)
}

// passes tells whether a node that is open is open by passthrough.
func (v *View) passes(n *node) bool {
	b := v.backingOf(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.id != 0
}
