package view

import (
	"maps"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// unmapped is an owner that nobody is. The kernel refuses to write to what belongs to it, whatever the mode and
// whoever asks, and with mode 000 to read it, root with all capabilities included.
const unmapped = ^uint32(0)

// LimitSpecial sets who decides about FIFOs, sockets and devices. The kernel opens and connects these itself and asks
// nobody, so the answer (4 to read, 2 to write, connecting being writing) is the same for every user and shows as mode
// and owner; ExpireSpecial makes a change of the answer show at once. An object that is limited can't be removed or
// renamed either. Limits of several modules add up; nil lifts the one that was set under that name.
func (s *Server) LimitSpecial(name string, may func(hooks.File) uint32) {
	s.limitSpecial(name, may)
	s.ExpireSpecial()
}

func (s *Server) limitSpecial(name string, may func(hooks.File) uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limits := map[string]func(hooks.File) uint32{}
	if old := s.special.Load(); old != nil {
		maps.Copy(limits, *old)
	}
	limits[name] = may
	if may == nil {
		delete(limits, name)
	}
	s.special.Store(&limits)
}

const mayAll = 6

func (s *Server) coverSpecial(n *Inode, a *fuse.Attr) {
	limits := s.special.Load()
	if limits == nil || len(*limits) == 0 {
		return
	}
	switch n.typ {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
		return
	}
	bits := uint32(mayAll)
	if !n.srv.enough(n) {
		bits = 0
	}
	for _, may := range *limits {
		bits &= may(n)
	}
	if bits == mayAll {
		return
	}
	a.Uid, a.Gid = unmapped, unmapped
	a.Mode &^= 0o7777
	a.Mode |= bits | bits<<3 | bits<<6
}
