package view

import (
	"bytes"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// Read reads data that doesn't pass through.
func (s *session) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	f, e := s.file(in.Fh)
	if e != 0 {
		return nil, fuse.Status(e)
	}
	var got []byte
	c := &hooks.Call{Op: hooks.OpRead, Caller: caller(&in.InHeader), File: f.node.Inode, Opener: f.asker,
		Flags: f.flags, Offset: int64(in.Offset), Size: int64(len(buf))}
	res := s.ask(c, func(c *hooks.Call) hooks.Result {
		want := buf[:max(0, min(c.Size, int64(len(buf))))]
		n, err := pread(f.fd, want, c.Offset)
		if err != nil {
			return failed(err)
		}
		got = want[:n]
		return hooks.Result{File: f.node.Inode, N: int64(n)}
	})
	if res.Errno != 0 {
		return nil, status(res)
	}
	return fuse.ReadResultData(got), fuse.OK
}

func pread(fd int, buf []byte, off int64) (n int, err error) {
	err = retry(func() error {
		n, err = unix.Pread(fd, buf, off)
		return err
	})
	return n, err
}

// Writev is Write for data in pieces.
func (s *session) Writev(cancel <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	if len(data) == 1 {
		return s.Write(cancel, in, data[0])
	}
	return s.Write(cancel, in, bytes.Join(data, nil))
}

// Write writes data that doesn't pass through.
func (s *session) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	f, e := s.file(in.Fh)
	if e != 0 {
		return 0, fuse.Status(e)
	}
	unlock, e := s.orderData(cancel, &in.InHeader, f.node.Inode)
	if e != 0 {
		return 0, fuse.Status(e)
	}
	defer unlock()
	st, err := fstat(f.fd)
	if err != nil {
		return 0, answer(errno(err))
	}
	w := write{f: f, append: in.Flags&unix.O_APPEND != 0 && in.WriteFlags&fuse.WRITE_CACHE == 0}
	if w.uid = in.InHeader.Uid; in.WriteFlags&fuse.WRITE_CACHE != 0 {
		w.uid = f.uid // who stored to a mapping isn't told
	}
	w.kill = in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 && st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0
	off := int64(in.Offset)
	if w.append && s.opts.Ordered { // nobody else can append meanwhile
		off, w.append = st.Size, false
	}
	c := &hooks.Call{Op: hooks.OpWrite, Caller: caller(&in.InHeader), File: f.node.Inode, Opener: f.asker,
		Flags: f.flags, Offset: off, Data: data, Writeback: in.WriteFlags&fuse.WRITE_CACHE != 0}
	res := s.ask(c, func(c *hooks.Call) hooks.Result { return s.write(w, c) })
	return uint32(res.N), status(res)
}

// write is one write to the backing.
type write struct {
	f      *file
	append bool
	kill   bool
	uid    uint32 // whose space it takes
}

func (s *session) write(w write, c *hooks.Call) hooks.Result {
	var n int
	var err error
	do := func() error {
		return retry(func() error {
			if w.append {
				n, err = unix.Pwritev2(w.f.fd, [][]byte{c.Data}, c.Offset, unix.RWF_APPEND)
			} else {
				n, err = unix.Pwrite(w.f.fd, c.Data, c.Offset)
			}
			return err
		})
	}
	var less []int
	if w.kill {
		less = append(less, unix.CAP_FSETID)
	}
	if err := s.priv.spend(w.uid, do, less...); err != nil {
		return failed(err)
	}
	res := s.withStat(w.f, true)
	res.N = int64(n)
	return res
}

// Lseek finds data and holes.
func (s *session) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	f, e := s.file(in.Fh)
	if e != 0 {
		return fuse.Status(e)
	}
	off, err := unix.Seek(f.fd, int64(in.Offset), int(in.Whence))
	out.Offset = uint64(off)
	return answer(errno(err))
}

// Fallocate reserves, punches and zeroes.
func (s *session) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	f, e := s.file(in.Fh)
	if e != 0 {
		return fuse.Status(e)
	}
	unlock, e := s.orderData(cancel, &in.InHeader, f.node.Inode)
	if e != 0 {
		return fuse.Status(e)
	}
	defer unlock()
	c := &hooks.Call{Op: hooks.OpFallocate, Caller: caller(&in.InHeader), File: f.node.Inode, Opener: f.asker,
		Flags: in.Mode, Offset: int64(in.Offset), Size: int64(in.Length)}
	return status(s.ask(c, func(c *hooks.Call) hooks.Result {
		do := func() error {
			return retry(func() error { return unix.Fallocate(f.fd, c.Flags, c.Offset, c.Size) })
		}
		if err := s.priv.spend(in.InHeader.Uid, do, unix.CAP_FSETID); err != nil {
			return failed(err)
		}
		return s.withStat(f, true)
	}))
}

// maxCopy is the most that one request copies: the answer has 32 bits.
const maxCopy = 1 << 30

// CopyFileRange copies between two files of the view, unless a module is to be asked about their data.
func (s *session) CopyFileRange(cancel <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	from, e := s.file(in.FhIn)
	if e != 0 {
		return 0, fuse.Status(e)
	}
	to, e := s.file(in.FhOut)
	if e != 0 {
		return 0, fuse.Status(e)
	}
	if from.asker != nil || to.asker != nil {
		return 0, fuse.Status(unix.EOPNOTSUPP) // the kernel reads and writes then: each is asked about, as whose it is
	}
	unlock, e := s.orderData(cancel, &in.InHeader, from.node.Inode, to.node.Inode)
	if e != 0 {
		return 0, fuse.Status(e)
	}
	defer unlock()
	c := &hooks.Call{Op: hooks.OpCopyRange, Caller: caller(&in.InHeader), File: from.node.Inode, NewFile: to.node.Inode,
		Offset: int64(in.OffIn), NewOffset: int64(in.OffOut), Size: int64(min(in.Len, maxCopy))}
	res := s.ask(c, func(c *hooks.Call) hooks.Result {
		var n int
		var err error
		do := func() error {
			return retry(func() error {
				a, b := c.Offset, c.NewOffset
				n, err = unix.CopyFileRange(from.fd, &a, to.fd, &b, int(c.Size), 0)
				return err
			})
		}
		if err := s.priv.spend(in.InHeader.Uid, do, unix.CAP_FSETID); err != nil {
			return failed(err)
		}
		res := s.withStat(to, true)
		res.N = int64(n)
		return res
	})
	return uint32(res.N), status(res)
}

// Fsync brings a file to disk.
func (s *session) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return s.fsync(in)
}

// FsyncDir brings a directory to disk.
func (s *session) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return s.fsync(in)
}

const fsyncDataOnly = 1

func (s *session) fsync(in *fuse.FsyncIn) fuse.Status {
	f, e := s.file(in.Fh)
	if e != 0 {
		return fuse.Status(e)
	}
	c := &hooks.Call{Op: hooks.OpFsync, Caller: caller(&in.InHeader), File: f.node.Inode, Flags: in.FsyncFlags}
	return status(s.ask(c, func(c *hooks.Call) hooks.Result {
		sync := unix.Fsync
		if c.Flags&fsyncDataOnly != 0 {
			sync = unix.Fdatasync
		}
		if err := retry(func() error { return sync(f.fd) }); err != nil {
			return failed(err)
		}
		return hooks.Result{File: f.node.Inode}
	}))
}
