package view

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// dirStream reads a directory's entries from its descriptor.
type dirStream struct {
	mu   sync.Mutex
	buf  []byte
	rest []byte // of buf, not given out yet
	next uint64 // offset of the first entry in rest
}

const dirBuffer = 16 << 10

// at makes the entry at offset off the next one.
func (d *dirStream) at(fd int, off uint64) error {
	if d.buf == nil {
		d.buf = make([]byte, dirBuffer)
	} else if off == d.next && off != 0 {
		return nil
	}
	d.rest, d.next = nil, off
	_, err := unix.Seek(fd, int64(off), unix.SEEK_SET)
	return err
}

// peek gives the next entry and how many bytes it takes; 0 at the end.
func (d *dirStream) peek(fd int) (e fuse.DirEntry, size int, err error) {
	if len(d.rest) == 0 {
		n := 0
		err = retry(func() error {
			n, err = unix.Getdents(fd, d.buf)
			return err
		})
		if n <= 0 || err != nil {
			return e, 0, err
		}
		d.rest = d.buf[:n]
	}
	return e, e.Parse(d.rest), nil
}

func (d *dirStream) skip(e fuse.DirEntry, size int) {
	d.rest = d.rest[size:]
	d.next = e.Off
}

// OpenDir opens a directory for listing.
func (s *session) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, e := s.node(in.NodeId)
	if e != 0 {
		return fuse.Status(e)
	}
	c := &hooks.Call{Op: hooks.OpOpenDir, Caller: caller(&in.InHeader), File: n.Inode, Flags: in.Flags}
	return status(s.ask(c, func(*hooks.Call) hooks.Result {
		p, err := n.reach()
		if err != nil {
			return failed(err)
		}
		defer s.fds.release(p)
		fd, err := openat(p.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return failed(err)
		}
		f := &file{fd: fd, node: n, dir: &dirStream{}}
		if !s.addFile(f) {
			unix.Close(fd)
			return hooks.Result{Errno: unix.ENOTCONN}
		}
		out.Fh = f.fh
		// The kernel keeps the list and drops it when the directory's time of change is another.
		out.OpenFlags = fuse.FOPEN_CACHE_DIR | fuse.FOPEN_KEEP_CACHE
		return hooks.Result{File: n.Inode}
	}))
}

// ReadDir lists names.
func (s *session) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return s.readDir(in, func(_ *file, e fuse.DirEntry) bool { return out.AddDirEntry(e) })
}

// ReadDirPlus lists names and looks them up.
func (s *session) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return s.readDir(in, func(f *file, e fuse.DirEntry) bool {
		entry := out.AddDirLookupEntry(e)
		if entry == nil {
			return false
		}
		if e.Name == "." || e.Name == ".." {
			return true
		}
		dir := f.node.Inode
		dir.dir.RLock()
		n, st, err := s.child(dir, e.Name)
		dir.dir.RUnlock()
		if err == nil {
			s.allNamesOfSpecial(in.Pid, n)
			if k, _ := s.fillEntry(n, &st, entry); k != nil {
				out.FixMode(st.Mode)
			}
		}
		return true // node id 0: a name without a look-up
	})
}

func (s *session) readDir(in *fuse.ReadIn, add func(*file, fuse.DirEntry) bool) fuse.Status {
	f, e := s.file(in.Fh)
	if e != 0 || f.dir == nil {
		return fuse.EBADF
	}
	d := f.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.at(f.fd, in.Offset); err != nil {
		return answer(errno(err))
	}
	for {
		entry, size, err := d.peek(f.fd)
		if err != nil {
			return answer(errno(err))
		}
		if size == 0 || !add(f, entry) {
			return fuse.OK
		}
		d.skip(entry, size)
	}
}

// ReleaseDir is the last close of an open directory.
func (s *session) ReleaseDir(in *fuse.ReleaseIn) {
	if f := s.takeFile(in.Fh); f != nil {
		s.closeFile(f)
	}
}
