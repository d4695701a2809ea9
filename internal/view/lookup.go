package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// child looks a name up on the backing and records what it leads to. The Inode comes with a reference. The caller
// holds dir.dir.
func (v *View) child(dir *Inode, name string) (*Inode, unix.Stat_t, error) {
	s := v.srv
	parent, err := dir.reach()
	if err != nil {
		return nil, unix.Stat_t{}, err
	}
	defer s.fds.release(parent)
	fd, err := openat(parent.fd, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		if err == unix.ENOENT {
			s.dropName(dir, name)
		}
		return nil, unix.Stat_t{}, err
	}
	n, st, err := v.adopt(fd)
	if err != nil {
		return nil, st, err
	}
	s.linkName(dir, name, n)
	return n, st, nil
}

// follow looks a way below the root up, name by name. The Inode comes with a reference. What is on the way stays known
// as long as the last is.
func (v *View) follow(way []string) (*Inode, error) {
	dir := v.root
	v.srv.hold(dir)
	for _, name := range way {
		next, err := v.enter(dir, name)
		v.srv.release(dir)
		if err != nil {
			return nil, err
		}
		dir = next
	}
	return dir, nil
}

// enter is child for who hasn't locked the directory.
func (v *View) enter(dir *Inode, name string) (*Inode, error) {
	if dir.typ != unix.S_IFDIR {
		return nil, unix.ENOTDIR
	}
	dir.dir.RLock()
	defer dir.dir.RUnlock()
	n, _, err := v.child(dir, name)
	return n, err
}

// adopt makes an O_PATH descriptor's object known and gives the descriptor to the cache.
func (v *View) adopt(fd int) (*Inode, unix.Stat_t, error) {
	id, err := v.source.identify(fd)
	if err != nil {
		unix.Close(fd)
		return nil, id.st, err
	}
	n := v.srv.intern(id)
	v.srv.fds.release(v.srv.fds.put(n, fd))
	return n, id.st, nil
}

// counted turns a reference of an Inode into a look-up that the kernel will forget one day. It gives nil for a root
// below itself (the host has made a circle) and after the end.
func (s *session) counted(n *Inode) *node {
	s.View.mu.Lock()
	if n == s.root || s.nodes == nil {
		s.View.mu.Unlock()
		s.release(n)
		return nil
	}
	k := s.nodes[n.id]
	had := k != nil
	if !had {
		k = &node{Inode: n}
		s.nodes[n.id] = k
	}
	k.lookups++
	s.View.mu.Unlock()
	if had {
		s.release(n)
	}
	return k
}

// fillEntry answers with an object, and counts the look-up. It takes the reference.
func (s *session) fillEntry(n *Inode, st *unix.Stat_t, out *fuse.EntryOut) (*node, fuse.Status) {
	k := s.counted(n)
	if k == nil {
		return nil, fuse.Status(unix.ELOOP)
	}
	out.NodeId = n.id
	s.fillAttr(n, &out.Attr, st)
	out.SetEntryTimeout(validity)
	out.SetAttrTimeout(validity)
	return k, fuse.OK
}

// Lookup finds a name. It is never refused, and tells everybody the same.
func (s *session) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if h.NodeId == rootID && s.aliasing.Load() && name == s.opts.Alias {
		return s.lookupAlias(out)
	}
	dir, e := s.folder(h.NodeId, name)
	if e != 0 {
		return fuse.Status(e)
	}
	dir.dir.RLock()
	n, st, err := s.child(dir.Inode, name)
	dir.dir.RUnlock()
	if err == unix.ENOENT {
		out.SetEntryTimeout(validity) // node id 0: the kernel may remember that there is nothing
		return fuse.OK
	}
	if err != nil {
		return answer(errno(err))
	}
	s.allNamesOfSpecial(h.Pid, n)
	_, code := s.fillEntry(n, &st, out)
	return code
}

// Forget takes look-ups back.
func (s *session) Forget(id, lookups uint64) {
	s.View.mu.Lock()
	n := s.nodes[id]
	if n == nil || id == rootID {
		s.View.mu.Unlock()
		return
	}
	n.lookups -= min(lookups, n.lookups)
	last := n.lookups == 0
	if last {
		delete(s.nodes, id)
	}
	s.View.mu.Unlock()
	if last {
		s.dropIdle(n)
		s.release(n.Inode)
	}
}
