package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// register gives the kernel a backing file and returns its number; 0 if the kernel won't have it, and then the server
// reads and writes. The kernel keeps the credentials of this moment for all later writes, whoever does them: they are
// nobody's, so that writes take set-id bits off and leave root's reserve alone, as those of ordinary users do.
func (v *View) register(fd int) int32 {
	var id int32
	e := unix.EPERM
	err := v.srv.priv.unprivileged(func() {
		id, e = v.fuse.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
	})
	if err != nil || e != 0 {
		return 0
	}
	return id
}

// fillOpen answers an open: by which way data goes, and what the kernel may keep.
func (s *session) fillOpen(f *file, out *fuse.OpenOut) {
	out.Fh = f.fh
	b := s.backingOf(f.node)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.id != 0 {
		out.OpenFlags = fuse.FOPEN_PASSTHROUGH
		if !f.writable() || s.opts.Locking != ShareAllLocks {
			out.OpenFlags |= fuse.FOPEN_NOFLUSH
		}
		out.BackingID = b.id
		return
	}
	if b.pagesValid(f.fd) {
		out.OpenFlags |= fuse.FOPEN_KEEP_CACHE
	}
	if !f.writable() {
		out.OpenFlags |= fuse.FOPEN_NOFLUSH // else the kernel writes mapped pages back at close
	}
}

// pagesValid tells whether the pages that the kernel may have of a file are still the backing's: nothing has changed
// since it was opened last.
func (b *backing) pagesValid(fd int) bool {
	st, err := fstat(fd)
	if err != nil {
		return false
	}
	now := version{size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
	same := b.seen == now
	b.seen = now
	return same
}
