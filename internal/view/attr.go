package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

func (s *session) fillAttr(n *Inode, a *fuse.Attr, st *unix.Stat_t) {
	n.nlink.Store(uint32(st.Nlink))
	a.Ino = st.Ino
	a.Size = uint64(st.Size)
	a.Blocks = uint64(st.Blocks)
	a.Atime, a.Atimensec = uint64(st.Atim.Sec), uint32(st.Atim.Nsec)
	a.Mtime, a.Mtimensec = uint64(st.Mtim.Sec), uint32(st.Mtim.Nsec)
	a.Ctime, a.Ctimensec = uint64(st.Ctim.Sec), uint32(st.Ctim.Nsec)
	a.Mode = st.Mode
	a.Nlink = uint32(st.Nlink)
	a.Uid, a.Gid = st.Uid, st.Gid
	a.Rdev = uint32(st.Rdev)
	a.Blksize = uint32(st.Blksize)
	s.coverSpecial(n, a)
}

// stat gives the attributes of a node, through the open file if there is one.
func (s *session) stat(n *node, fh uint64, open bool) (unix.Stat_t, error) {
	if open {
		if f, e := s.file(fh); e == 0 {
			return fstat(f.fd)
		}
	}
	return n.StatBacking()
}

// GetAttr tells attributes. It is never refused.
func (s *session) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, e := s.node(in.NodeId)
	if e != 0 {
		return fuse.Status(e)
	}
	s.allNamesOfSpecial(in.Pid, n.Inode)
	st, err := s.stat(n, in.Fh(), in.Flags()&fuse.FUSE_GETATTR_FH != 0)
	if err != nil {
		return answer(errno(err))
	}
	s.fillAttr(n.Inode, &out.Attr, &st)
	out.SetTimeout(validity)
	return fuse.OK
}

// SetAttr changes attributes: truncate, chmod, chown and utimes in one.
func (s *session) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, e := s.node(in.NodeId)
	if e != 0 {
		return fuse.Status(e)
	}
	unlock, e := s.orderData(cancel, &in.InHeader, n.Inode)
	if e != 0 {
		return fuse.Status(e)
	}
	defer unlock()
	a := attrOf(in)
	c := &hooks.Call{Caller: caller(&in.InHeader), File: n.Inode, Attr: a.Attr}
	if f, e := s.file(in.Fh); a.Handle && e == 0 {
		c.Opener = f.asker
	}
	res := s.askEach(a.operations(), c, func(c *hooks.Call) hooks.Result {
		st, err := s.change(n, in, attr{c.Attr})
		if err != nil {
			return failed(err)
		}
		return hooks.Result{File: n.Inode, Stat: &st}
	})
	if res.Errno != 0 {
		return status(res)
	}
	s.fillAttr(n.Inode, &out.Attr, res.Stat)
	out.SetTimeout(validity)
	return fuse.OK
}

// StatFs tells about the backing's space.
func (s *session) StatFs(_ <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	var st unix.Statfs_t
	if err := unix.Fstatfs(s.rootFD.fd, &st); err != nil {
		return answer(errno(err))
	}
	out.Blocks, out.Bfree, out.Bavail = st.Blocks, st.Bfree, st.Bavail
	out.Files, out.Ffree = st.Files, st.Ffree
	out.Bsize, out.Frsize, out.NameLen = uint32(st.Bsize), uint32(st.Frsize), uint32(st.Namelen)
	return fuse.OK
}

// Statx is left to GetAttr: the kernel doesn't ask again after ENOSYS.
func (s *session) Statx(<-chan struct{}, *fuse.StatxIn, *fuse.StatxOut) fuse.Status {
	return fuse.ENOSYS
}

// Access is never asked: the kernel checks permissions itself (default_permissions).
func (s *session) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.ENOSYS }
