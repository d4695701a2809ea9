package view

import (
	"bytes"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// kernelsOwn are the attributes that the kernel itself reads in order to check permission, as it does the mode:
// reading them is no more refused than GETATTR is.
var kernelsOwn = map[string]bool{
	"system.posix_acl_access":  true,
	"system.posix_acl_default": true,
	"security.capability":      true,
}

// GetXAttr reads an extended attribute.
func (s *session) GetXAttr(_ <-chan struct{}, h *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	get := func(path string) (int, error) { return unix.Getxattr(path, name, dest) }
	return s.readXattr(h, name, kernelsOwn[name], get)
}

// ListXAttr lists the names of extended attributes. Those that only an administrator may read are hidden from others,
// as the kernel does on a file system of its own.
func (s *session) ListXAttr(_ <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	list := func(path string) (int, error) {
		size, err := unix.Listxattr(path, nil)
		if err != nil || size == 0 {
			return size, err
		}
		names := make([]byte, size)
		if size, err = unix.Listxattr(path, names); err != nil {
			return size, err
		}
		if bytes.Contains(names[:size], trusted) && !administrator(h.Pid) {
			size = hideTrusted(names[:size])
		}
		if len(dest) > 0 && copy(dest, names[:size]) < size { // without dest it's the size that is asked for
			return 0, unix.ERANGE
		}
		return size, nil
	}
	return s.readXattr(h, "", false, list)
}

var trusted = []byte("trusted.")

// hideTrusted takes names that begin with trusted. out of a list, and gives its new length.
func hideTrusted(names []byte) (size int) {
	for rest := names; len(rest) > 0; {
		end := bytes.IndexByte(rest, 0) + 1
		if end == 0 {
			end = len(rest)
		}
		if !bytes.HasPrefix(rest, trusted) {
			size += copy(names[size:], rest[:end])
		}
		rest = rest[end:]
	}
	return size
}

func (s *session) readXattr(h *fuse.InHeader, name string, unasked bool, read func(path string) (int, error)) (uint32, fuse.Status) {
	n, e := s.node(h.NodeId)
	if e != 0 {
		return 0, fuse.Status(e)
	}
	do := func(*hooks.Call) hooks.Result {
		p, err := n.reach()
		if err != nil {
			return failed(err)
		}
		defer s.fds.release(p)
		size, err := read(procPath(p.fd))
		if err != nil {
			return failed(err)
		}
		return hooks.Result{File: n.Inode, N: int64(size)}
	}
	var res hooks.Result
	if unasked {
		res = do(nil)
	} else {
		res = s.ask(&hooks.Call{Op: hooks.OpGetxattr, Caller: caller(h), File: n.Inode, Text: name}, do)
	}
	return uint32(res.N), status(res)
}

// SetXAttr sets an extended attribute.
func (s *session) SetXAttr(cancel <-chan struct{}, in *fuse.SetXAttrIn, name string, data []byte) fuse.Status {
	c := &hooks.Call{Op: hooks.OpSetxattr, Flags: in.Flags, Text: name, Data: data}
	return s.changeXattr(cancel, &in.InHeader, c, func(path string, c *hooks.Call) (err error) {
		set := func() error { return unix.Setxattr(path, name, c.Data, int(c.Flags)) }
		do := func() { err = set() }
		if in.SetXAttrFlags&fuse.SETXATTR_ACL_KILL_SGID == 0 {
			return s.priv.spend(in.Uid, set)
		}
		// The caller isn't in the file's group: neither may the server seem to be.
		if e := s.priv.asCallerLess(in.Uid, in.Gid, do); e != nil {
			return e
		}
		return err
	})
}

// RemoveXAttr removes an extended attribute.
func (s *session) RemoveXAttr(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	c := &hooks.Call{Op: hooks.OpRemovexattr, Text: name}
	return s.changeXattr(cancel, h, c, func(path string, _ *hooks.Call) error { return unix.Removexattr(path, name) })
}

func (s *session) changeXattr(cancel <-chan struct{}, h *fuse.InHeader, c *hooks.Call,
	change func(path string, c *hooks.Call) error) fuse.Status {
	n, e := s.node(h.NodeId)
	if e != 0 {
		return fuse.Status(e)
	}
	unlock, e := s.orderData(cancel, h, n.Inode)
	if e != 0 {
		return fuse.Status(e)
	}
	defer unlock()
	c.Caller, c.File = caller(h), n.Inode
	return status(s.ask(c, func(c *hooks.Call) hooks.Result {
		p, err := n.reach()
		if err != nil {
			return failed(err)
		}
		defer s.fds.release(p)
		if err := change(procPath(p.fd), c); err != nil {
			return failed(err)
		}
		return hooks.Result{File: n.Inode}
	}))
}
