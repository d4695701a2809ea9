package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// unmapped is an owner that nobody is. The kernel refuses to write to what belongs to it, whatever the mode and
// whoever asks, and with mode 000 to read it, root with all capabilities included.
const unmapped = ^uint32(0)

// LimitSpecial sets who decides about FIFOs, sockets and devices. The kernel opens and connects these itself and asks
// nobody, so the answer (4 to read, 2 to write, connecting being writing) is the same for every user and shows as mode
// and owner, for as long as attributes are valid. An object that is limited can't be removed or renamed either. nil
// lifts all limits.
func (s *Server) LimitSpecial(may func(hooks.File) uint32) {
	if may == nil {
		s.special.Store(nil)
		return
	}
	s.special.Store(&may)
}

const mayAll = 6

func (s *Server) coverSpecial(n *Inode, a *fuse.Attr) {
	may := s.special.Load()
	if may == nil {
		return
	}
	switch n.typ {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
		return
	}
	bits := (*may)(n) & mayAll
	if bits == mayAll {
		return
	}
	a.Uid, a.Gid = unmapped, unmapped
	a.Mode &^= 0o7777
	a.Mode |= bits | bits<<3 | bits<<6
}
