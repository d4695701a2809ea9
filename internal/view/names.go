package view

import "golang.org/x/sys/unix"

// linkName records that name in parent leads to n, and that it led to something else before.
func (s *Server) linkName(parent *Inode, name string, n *Inode) {
	s.mu.RLock()
	same := parent.dir.kids[name] == n
	s.mu.RUnlock()
	if same {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setName(parent, name, n)
}

func (s *Server) setName(parent *Inode, name string, n *Inode) {
	if parent.dir.kids[name] == n {
		return
	}
	n.refs++ // while names change hands
	s.unlinkName(parent, name)
	if n.typ == unix.S_IFDIR {
		for len(n.links) > 0 { // moved on the host: a directory has one name
			s.unlinkName(n.links[0].parent, n.links[0].name)
		}
	}
	if parent.dir.kids == nil {
		parent.dir.kids = make(map[string]*Inode)
	}
	parent.dir.kids[name] = n
	parent.refs++
	n.links = append(n.links, link{parent, name})
	s.unref(n)
}

// dropName records that name in parent leads nowhere.
func (s *Server) dropName(parent *Inode, name string) {
	s.mu.RLock()
	known := parent.dir.kids[name] != nil
	s.mu.RUnlock()
	if !known {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlinkName(parent, name)
}

// unlinkName is dropName with mu held.
func (s *Server) unlinkName(parent *Inode, name string) {
	n := parent.dir.kids[name]
	if n == nil {
		return
	}
	if len(n.links) == 1 && n.refs > 0 {
		n.own().former = n.paths(0)
	}
	delete(parent.dir.kids, name)
	for i, l := range n.links {
		if l.parent == parent && l.name == name {
			n.links = append(n.links[:i], n.links[i+1:]...)
			break
		}
	}
	s.unref(parent)
}

// moveName follows a rename that succeeded.
func (s *Server) moveName(oldDir *Inode, oldName string, newDir *Inode, newName string, exchange bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, b := oldDir.dir.kids[oldName], newDir.dir.kids[newName]
	if a != nil {
		a.refs++
	}
	if b != nil {
		b.refs++
	}
	s.unlinkName(oldDir, oldName)
	s.unlinkName(newDir, newName)
	if a != nil {
		s.setName(newDir, newName, a)
		s.unref(a)
	}
	if b != nil {
		if exchange {
			s.setName(oldDir, oldName, b)
		}
		s.unref(b)
	}
}

// known gives what a name leads to, as far as known, with a reference for the caller.
func (s *Server) known(parent *Inode, name string) *Inode {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := parent.dir.kids[name]
	if n != nil {
		n.refs++
	}
	return n
}
