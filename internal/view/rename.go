package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// losing watches an object over an operation that may take its last name. The result is to be called afterwards.
func (s *session) losing(n *Inode) (after func()) {
	if n == nil {
		return func() {}
	}
	p, err := n.reach()
	if err != nil {
		return func() {}
	}
	return func() {
		if st, err := fstat(p.fd); err == nil {
			s.unlinked(n, uint32(st.Nlink))
			if st.Nlink == 0 {
				s.gone(n, p)
			}
		}
		s.fds.release(p)
	}
}

// Unlink removes a name that isn't a directory.
func (s *session) Unlink(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return s.remove(cancel, h, hooks.OpUnlink, name, 0)
}

// Rmdir removes a directory.
func (s *session) Rmdir(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return s.remove(cancel, h, hooks.OpRmdir, name, unix.AT_REMOVEDIR)
}

func (s *session) remove(cancel <-chan struct{}, h *fuse.InHeader, op hooks.Operation, name string, flags int) fuse.Status {
	dir, e := s.folder(h.NodeId, name)
	if e != 0 {
		return fuse.Status(e)
	}
	unlock, e := s.orderNames(cancel, h)
	if e != 0 {
		return fuse.Status(e)
	}
	defer unlock()
	n, _, unlockDir, e := s.lockNames(op, h.Pid, spot{dir, name}, spot{node: dir})
	if e != 0 {
		return fuse.Status(e)
	}
	defer unlockDir()
	defer s.release(n)
	after := s.losing(n)
	defer after()
	c := &hooks.Call{Op: op, Caller: caller(h), File: asFile(n), Dir: dir.Inode, Name: name}
	return status(s.ask(c, func(*hooks.Call) hooks.Result {
		p, err := dir.reach()
		if err != nil {
			return failed(err)
		}
		defer s.fds.release(p)
		if err := retry(func() error { return unix.Unlinkat(p.fd, name, flags) }); err != nil {
			return failed(err)
		}
		s.dropName(dir.Inode, name)
		unlockDir()
		return hooks.Result{File: asFile(n)}
	}))
}

// Link gives an object a further name.
func (s *session) Link(cancel <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	dir, e := s.folder(in.NodeId, name)
	if e != 0 {
		return fuse.Status(e)
	}
	n, e := s.node(in.Oldnodeid)
	if e != 0 {
		return fuse.Status(e)
	}
	unlock, e := s.orderNames(cancel, &in.InHeader)
	if e != 0 {
		return fuse.Status(e)
	}
	defer unlock()
	if e := s.allNames(in.Pid, n.Inode); e != 0 {
		return fuse.Status(e)
	}
	unlockDir := lockDirs(dir.Inode, dir.Inode)
	defer unlockDir()
	c := &hooks.Call{Op: hooks.OpLink, Caller: caller(&in.InHeader), File: n.Inode, NewDir: dir.Inode, NewName: name}
	return status(s.ask(c, func(*hooks.Call) hooks.Result {
		if err := s.link(n.Inode, dir.Inode, name); err != nil {
			return failed(err)
		}
		s.linkName(dir.Inode, name, n.Inode)
		s.linked(n.Inode)
		defer unlockDir()
		return s.made(dir, name, out)
	}))
}

func (s *session) link(n, dir *Inode, name string) error {
	from, err := n.reach()
	if err != nil {
		return err
	}
	defer s.fds.release(from)
	to, err := dir.reach()
	if err != nil {
		return err
	}
	defer s.fds.release(to)
	return retry(func() error { return unix.Linkat(from.fd, "", to.fd, name, unix.AT_EMPTY_PATH) })
}

// Rename moves a name, or exchanges two.
func (s *session) Rename(cancel <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	from, e := s.folder(in.NodeId, oldName)
	if e != 0 {
		return fuse.Status(e)
	}
	to, e := s.folder(in.Newdir, newName)
	if e != 0 {
		return fuse.Status(e)
	}
	if in.Flags&^(unix.RENAME_NOREPLACE|unix.RENAME_EXCHANGE) != 0 {
		return fuse.EINVAL // whiteouts are devices
	}
	unlock, e := s.orderNames(cancel, &in.InHeader)
	if e != 0 {
		return fuse.Status(e)
	}
	defer unlock()
	a, b, unlockDirs, e := s.lockNames(hooks.OpRename, in.Pid, spot{from, oldName}, spot{to, newName})
	if e != 0 {
		return fuse.Status(e)
	}
	defer unlockDirs()
	defer s.release(a, b)
	after := s.losing(b)
	defer after()
	c := &hooks.Call{Op: hooks.OpRename, Caller: caller(&in.InHeader), Flags: in.Flags,
		File: asFile(a), Dir: from.Inode, Name: oldName, NewFile: asFile(b), NewDir: to.Inode, NewName: newName}
	return status(s.ask(c, func(c *hooks.Call) hooks.Result {
		if err := s.rename(from.Inode, oldName, to.Inode, newName, c.Flags); err != nil {
			return failed(err)
		}
		if a == nil || a != b { // two names of one object: rename changes nothing
			s.moveName(from.Inode, oldName, to.Inode, newName, c.Flags&unix.RENAME_EXCHANGE != 0)
		}
		unlockDirs()
		return hooks.Result{File: asFile(a)}
	}))
}

func (s *session) rename(from *Inode, oldName string, to *Inode, newName string, flags uint32) error {
	p, err := from.reach()
	if err != nil {
		return err
	}
	defer s.fds.release(p)
	q, err := to.reach()
	if err != nil {
		return err
	}
	defer s.fds.release(q)
	return retry(func() error { return unix.Renameat2(p.fd, oldName, q.fd, newName, uint(flags)) })
}

// Readlink reads a symbolic link.
func (s *session) Readlink(_ <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	n, e := s.node(h.NodeId)
	if e != 0 {
		return nil, fuse.Status(e)
	}
	var target []byte
	c := &hooks.Call{Op: hooks.OpReadlink, Caller: caller(h), File: n.Inode}
	res := s.ask(c, func(*hooks.Call) hooks.Result {
		p, err := n.reach()
		if err != nil {
			return failed(err)
		}
		defer s.fds.release(p)
		buf := make([]byte, unix.PathMax)
		size, err := unix.Readlinkat(p.fd, "", buf)
		if err != nil {
			return failed(err)
		}
		target = buf[:size]
		return hooks.Result{File: n.Inode, N: int64(size)}
	})
	return target, status(res)
}
