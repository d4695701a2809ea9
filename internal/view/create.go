package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// maker is an operation that makes a name.
type maker struct {
	h     *fuse.InHeader
	dir   *node
	mode  uint32 // as asked for, before the umask
	umask uint32
	make  func(dir int, c *hooks.Call, mode uint32) error
}

// create takes a creation through the master and makes it with the caller's ids. finish, with the directory still
// locked, gives the result. c.Mode holds what the modules see: the mode after the umask.
func (s *session) create(cancel <-chan struct{}, m maker, c *hooks.Call, finish func() hooks.Result) hooks.Result {
	unlock, e := s.orderNames(cancel, m.h)
	if e != 0 {
		return hooks.Result{Errno: e}
	}
	defer unlock()
	unlockDir := lockDirs(m.dir.Inode, m.dir.Inode)
	defer unlockDir()
	masked := m.mode &^ m.umask
	c.Caller, c.Mode = caller(m.h), masked
	return s.ask(c, func(c *hooks.Call) hooks.Result {
		mode := m.mode
		if c.Mode != masked { // a module changed it
			mode = c.Mode
		}
		if err := s.makeAs(m, c, mode); err != nil {
			return failed(err)
		}
		res := finish()
		unlockDir() // a Post that waits must not hold look-ups up
		return res
	})
}

func (s *session) makeAs(m maker, c *hooks.Call, mode uint32) error {
	p, err := m.dir.reach()
	if err != nil {
		return err
	}
	defer s.fds.release(p)
	var made error
	err = s.priv.asCaller(m.h.Uid, m.h.Gid, m.umask, func() {
		made = retry(func() error { return m.make(p.fd, c, mode) })
	})
	if err != nil {
		return err
	}
	return made
}

// made answers with what a name now leads to.
func (s *session) made(dir *node, name string, out *fuse.EntryOut) hooks.Result {
	n, st, err := s.child(dir.Inode, name)
	if err != nil {
		return failed(err)
	}
	k, code := s.fillEntry(n, &st, out)
	if k == nil {
		return hooks.Result{Errno: unix.Errno(code)}
	}
	return hooks.Result{File: n, Stat: &st}
}

// Mkdir makes a directory.
func (s *session) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	dir, e := s.folder(in.NodeId, name)
	if e != 0 {
		return fuse.Status(e)
	}
	m := maker{h: &in.InHeader, dir: dir, mode: unix.S_IFDIR | in.Mode&07777, umask: in.Umask,
		make: func(fd int, _ *hooks.Call, mode uint32) error { return unix.Mkdirat(fd, name, mode&07777) }}
	c := &hooks.Call{Op: hooks.OpMkdir, Dir: dir.Inode, Name: name}
	return status(s.create(cancel, m, c, func() hooks.Result { return s.made(dir, name, out) }))
}

// Mknod makes a FIFO, a socket or a regular file. Devices are refused: nothing in a view may lead past it.
func (s *session) Mknod(cancel <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	dir, e := s.folder(in.NodeId, name)
	if e != 0 {
		return fuse.Status(e)
	}
	switch in.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK:
	default:
		return fuse.EPERM
	}
	m := maker{h: &in.InHeader, dir: dir, mode: in.Mode, umask: in.Umask,
		make: func(fd int, c *hooks.Call, mode uint32) error {
			return unix.Mknodat(fd, name, mode&07777|in.Mode&unix.S_IFMT, 0)
		}}
	c := &hooks.Call{Op: hooks.OpMknod, Dir: dir.Inode, Name: name}
	return status(s.create(cancel, m, c, func() hooks.Result { return s.made(dir, name, out) }))
}

// Symlink makes a symbolic link.
func (s *session) Symlink(cancel <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	dir, e := s.folder(h.NodeId, name)
	if e != 0 {
		return fuse.Status(e)
	}
	m := maker{h: h, dir: dir, mode: unix.S_IFLNK | 0777,
		make: func(fd int, c *hooks.Call, _ uint32) error { return unix.Symlinkat(c.Text, fd, name) }}
	c := &hooks.Call{Op: hooks.OpSymlink, Dir: dir.Inode, Name: name, Text: target}
	return status(s.create(cancel, m, c, func() hooks.Result { return s.made(dir, name, out) }))
}

// Create makes and opens a regular file.
func (s *session) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	dir, e := s.folder(in.NodeId, name)
	if e != 0 {
		return fuse.Status(e)
	}
	fd := -1
	m := maker{h: &in.InHeader, dir: dir, mode: unix.S_IFREG | in.Mode&07777, umask: in.Umask}
	m.make = func(d int, c *hooks.Call, mode uint32) (err error) {
		flags := int(c.Flags&sharedFlags) | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
		fd, err = unix.Openat(d, name, flags, mode&07777)
		if err == unix.EEXIST && in.Flags&unix.O_EXCL == 0 {
			return unix.ESTALE // made on the host meanwhile: the kernel looks again, checks permission and opens
		}
		return err
	}
	c := &hooks.Call{Op: hooks.OpCreate, Dir: dir.Inode, Name: name, Flags: in.Flags}
	return status(s.create(cancel, m, c, func() hooks.Result { return s.created(fd, dir.Inode, name, c, out) }))
}

// Tmpfile makes and opens a regular file without a name.
func (s *session) Tmpfile(cancel <-chan struct{}, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	dir, e := s.folder(in.NodeId)
	if e != 0 {
		return fuse.Status(e)
	}
	fd := -1
	m := maker{h: &in.InHeader, dir: dir, mode: unix.S_IFREG | in.Mode&07777, umask: in.Umask}
	m.make = func(d int, c *hooks.Call, mode uint32) (err error) {
		flags := int(c.Flags&(sharedFlags|unix.O_EXCL)) | unix.O_TMPFILE | unix.O_CLOEXEC
		fd, err = unix.Openat(d, ".", flags, mode&07777)
		return err
	}
	c := &hooks.Call{Op: hooks.OpTmpfile, Dir: dir.Inode, Flags: in.Flags}
	return status(s.create(cancel, m, c, func() hooks.Result {
		res := s.created(fd, nil, "", c, out)
		if n, ok := res.File.(*Inode); ok {
			s.madeIn(n, dir.Inode)
		}
		return res
	}))
}

// created answers with a file that was just made and opened. dir is nil for one without a name.
func (s *session) created(fd int, dir *Inode, name string, c *hooks.Call, out *fuse.CreateOut) hooks.Result {
	id, err := s.source.identify(fd)
	if err != nil {
		unix.Close(fd)
		return failed(err)
	}
	n := s.intern(id)
	if dir != nil {
		s.linkName(dir, name, n)
	}
	k, code := s.fillEntry(n, &id.st, &out.EntryOut)
	if k == nil {
		unix.Close(fd)
		return hooks.Result{Errno: unix.Errno(code)}
	}
	share, err := s.join(k, joining{flags: c.Flags, must: true, asked: c.Revocable || c.Watched}, func() (int, error) { return fd, nil })
	if err != nil {
		return failed(err)
	}
	f, err := s.opened(k, share, c)
	if err != nil {
		return failed(err)
	}
	s.fillOpen(f, &out.OpenOut)
	return hooks.Result{File: n, Stat: &id.st}
}

// madeIn notes where an object without a name comes from.
func (s *Server) madeIn(n, dir *Inode) {
	s.mu.Lock()
	n.own().former = dir.paths(0)
	s.mu.Unlock()
}
