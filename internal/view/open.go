package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// openFlags are the flags of open(2) that the server's own descriptor takes over. O_APPEND stays with the kernel's:
// write-back of a mapping must go where it belongs. O_DIRECT would need aligned buffers.
const openFlags = unix.O_ACCMODE | unix.O_TRUNC | unix.O_SYNC | unix.O_DSYNC | unix.O_NOATIME

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
	res := s.ask(c, func(c *hooks.Call) hooks.Result {
		f, err := s.open(n, c.Flags, in.Mode&fuse.OPEN_KILL_SUIDGID != 0)
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

func (s *session) open(n *node, flags uint32, kill bool) (*file, error) {
	p, err := n.reach()
	if err != nil {
		return nil, err
	}
	defer s.fds.release(p)
	var fd int
	do := func() { fd, err = reopen(p.fd, int(flags&openFlags)) }
	if err := s.killing(kill, do, &err); err != nil {
		return nil, err
	}
	f := &file{fd: fd, node: n, flags: flags}
	if !s.addFile(f) {
		return nil, unix.ENOTCONN
	}
	return f, nil
}

// fillOpen answers an open.
func (s *session) fillOpen(f *file, out *fuse.OpenOut) {
	out.Fh = f.fh
	if id := s.acquireBacking(f); id != 0 {
		out.OpenFlags = fuse.FOPEN_PASSTHROUGH | fuse.FOPEN_NOFLUSH
		out.BackingID = id
		return
	}
	if s.pagesValid(f) {
		out.OpenFlags |= fuse.FOPEN_KEEP_CACHE
	}
	if !f.writable() {
		out.OpenFlags |= fuse.FOPEN_NOFLUSH // else the kernel writes mapped pages back at close, and then asks
	}
}

// pagesValid tells whether the pages that the kernel may have of a file are still the backing's: nothing has changed
// since the file was opened last.
func (s *session) pagesValid(f *file) bool {
	st, err := fstat(f.fd)
	if err != nil {
		return false
	}
	now := version{size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
	b := &f.node.backing
	b.mu.Lock()
	defer b.mu.Unlock()
	same := b.seen == now
	b.seen = now
	return same
}

// version tells two states of a file's data apart.
type version struct {
	size         int64
	mtime, ctime unix.Timespec
}

// Release is the last close of an open file description.
func (s *session) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	f := s.takeFile(in.Fh)
	if f == nil {
		return
	}
	c := &hooks.Call{Op: hooks.OpRelease, Caller: caller(&in.InHeader), File: f.node.Inode, Flags: f.flags}
	closed := false
	s.ask(c, func(*hooks.Call) hooks.Result {
		closed = true
		s.closeFile(f)
		return hooks.Result{File: f.node.Inode}
	})
	if !closed { // a close can't be refused
		s.closeFile(f)
	}
}

// Flush has nothing to do: data is on the backing when write returns, and locks are the kernel's.
func (s *session) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }
