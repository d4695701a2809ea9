package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// Open opens a regular file for reading, writing or execution.
func (s *session) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, e := s.node(in.NodeId)
	if e != 0 {
		return fuse.Status(e)
	}
	if n.typ != unix.S_IFREG {
		return fuse.Status(unix.ENXIO)
	}
	if in.Flags&unix.O_TRUNC != 0 {
		unlock, e := s.orderData(cancel, &in.InHeader, n.Inode)
		if e != 0 {
			return fuse.Status(e)
		}
		defer unlock()
	}
	c := &hooks.Call{Op: hooks.OpOpen, Caller: caller(&in.InHeader), File: n.Inode, Flags: in.Flags}
	if in.Flags&fuse.FMODE_EXEC != 0 {
		c.Op = hooks.OpExec
	}
	defer s.decided(s.begin(n, c))
	res := s.ask(c, func(c *hooks.Call) hooks.Result {
		f, err := s.open(n, c, in.Mode&fuse.OPEN_KILL_SUIDGID != 0)
		if err != nil {
			return failed(err)
		}
		s.fillOpen(f, out)
		return s.withStat(f, c.Flags&unix.O_TRUNC != 0)
	})
	return status(res)
}

// withStat is the result of an operation on an open file, with attributes where somebody may want them.
func (s *session) withStat(f *file, changed bool) hooks.Result {
	res := hooks.Result{File: f.node.Inode}
	if changed && s.opts.Ordered {
		if st, err := fstat(f.fd); err == nil {
			res.Stat = &st
		}
	}
	return res
}

func (s *session) open(n *node, c *hooks.Call, kill bool) (*file, error) {
	flags := c.Flags
	truncate := flags&unix.O_TRUNC != 0
	share, err := s.join(n, joining{flags: flags, must: truncate, asked: c.Revocable || c.Watched}, func() (fd int, err error) {
		p, err := n.reach()
		if err != nil {
			return -1, err
		}
		defer s.fds.release(p)
		do := func() { fd, err = reopen(p.fd, int(flags&(sharedFlags|unix.O_TRUNC))) }
		err = s.killing(kill && truncate, do, &err)
		return fd, err
	})
	if err != nil {
		return nil, err
	}
	return s.opened(n, share, c)
}

// opened makes a file of a descriptor that was joined.
func (s *session) opened(n *node, share *sharedFD, c *hooks.Call) (*file, error) {
	f := &file{fd: share.fd, node: n, flags: c.Flags, uid: c.Caller.UID, share: share}
	if c.Revocable && !s.passes(n) {
		who := c.Caller
		f.asker = &who
	}
	if !s.addFile(f) {
		s.leave(n, share)
		return nil, unix.ENOTCONN
	}
	return f, nil
}

// Release is the last close of an open file description.
func (s *session) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	f := s.takeFile(in.Fh)
	if f == nil {
		return
	}
	defer s.closeFile(f) // it can't be refused
	c := &hooks.Call{Op: hooks.OpRelease, Caller: caller(&in.InHeader), File: f.node.Inode, Flags: f.flags}
	s.ask(c, func(*hooks.Call) hooks.Result { return hooks.Result{File: f.node.Inode} })
}
