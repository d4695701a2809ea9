package conformance

import (
	"strconv"

	"golang.org/x/sys/unix"
)

func drawOpenFlags(g *gen) int {
	f := of(g, unix.O_RDONLY, unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR, unix.O_RDWR, 3) | unix.O_NONBLOCK
	if g.one(2) {
		f |= unix.O_CREAT | g.some(3, unix.O_EXCL)
	}
	f |= g.some(6, unix.O_TRUNC, unix.O_APPEND)
	f |= g.some(12, unix.O_NOFOLLOW, unix.O_SYNC, unix.O_DSYNC, unix.O_NOATIME)
	if g.one(10) {
		f |= unix.O_DIRECTORY
	}
	if g.one(12) {
		f |= unix.O_PATH
	}
	if g.one(15) {
		f = of(g, unix.O_WRONLY, unix.O_RDWR, unix.O_RDONLY) | unix.O_TMPFILE | g.some(4, unix.O_EXCL)
	}
	return f
}

var openCalls = []call{
	{"open", 12, func(g *gen, s *step) {
		s.P, s.FD, s.Flags, s.Mode = g.place(), g.fd(), drawOpenFlags(g), g.mode()
		if s.Flags&unix.O_TMPFILE == unix.O_TMPFILE && !g.one(4) {
			s.P.Name = of(g, "d", "e", "s", "t", "p", ".")
		}
	}, func(w *worker, s step) string {
		fd, err := unix.Openat(w.at(s.P), s.P.Name, s.Flags|unix.O_CLOEXEC, s.Mode&07777)
		return w.put(s.FD, fd, err)
	}},
	{"opendir", 3, func(g *gen, s *step) {
		s.P, s.FD = g.place(), g.fd()
		s.P.Name = of(g, "d", "e", "s", "t", "p", ".", "d/d", "d/e")
		s.Flags = of(g, 0, 0, 0, unix.O_PATH)
	}, func(w *worker, s step) string {
		fd, err := unix.Openat(w.at(s.P), s.P.Name, s.Flags|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return w.put(s.FD, fd, err)
	}},
	{"openat2", 3, func(g *gen, s *step) {
		s.P, s.FD, s.Flags, s.Mode = g.place(), g.fd(), drawOpenFlags(g), 0
		if s.Flags&(unix.O_CREAT|unix.O_TMPFILE) != 0 {
			s.Mode = g.mode()
		}
		s.Off = int64(g.some(3, unix.RESOLVE_BENEATH, unix.RESOLVE_IN_ROOT, unix.RESOLVE_NO_MAGICLINKS,
			unix.RESOLVE_NO_SYMLINKS, unix.RESOLVE_NO_XDEV))
	}, func(w *worker, s step) string {
		how := unix.OpenHow{Flags: uint64(s.Flags) | unix.O_CLOEXEC, Mode: uint64(s.Mode), Resolve: uint64(s.Off)}
		fd, err := unix.Openat2(w.at(s.P), s.P.Name, &how)
		return w.put(s.FD, fd, err)
	}},
	{"reopen", 3, func(g *gen, s *step) {
		s.FD, s.FD2, s.Flags = g.fd(), g.fd(), drawOpenFlags(g)&^unix.O_NOFOLLOW
	}, func(w *worker, s step) string {
		fd, err := unix.Openat(w.proc, strconv.Itoa(w.fd(s.FD)), s.Flags|unix.O_CLOEXEC, 0o600)
		return w.put(s.FD2, fd, err)
	}},
	{"dup", 1, func(g *gen, s *step) { s.FD, s.FD2 = g.fd(), g.fd() }, func(w *worker, s step) string {
		fd, err := unix.FcntlInt(uintptr(w.fd(s.FD)), unix.F_DUPFD_CLOEXEC, 0)
		return w.put(s.FD2, fd, err)
	}},
	{"close", 3, func(g *gen, s *step) { s.FD = g.fd() }, func(w *worker, s step) string {
		if w.slots[s.FD] == nil {
			return "EBADF"
		}
		err := unix.Close(w.slots[s.FD].fd)
		w.slots[s.FD] = nil
		return done(err)
	}},
	{"setfl", 1, func(g *gen, s *step) { s.FD, s.Flags = g.fd(), g.some(3, unix.O_APPEND, unix.O_NOATIME) },
		func(w *worker, s step) string {
			fd := uintptr(w.fd(s.FD))
			old, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
			if err != nil {
				return done(err)
			}
			_, err = unix.FcntlInt(fd, unix.F_SETFL, s.Flags|unix.O_NONBLOCK|old&unix.O_APPEND)
			return done(err)
		}},
	{"getfl", 1, func(g *gen, s *step) { s.FD = g.fd() }, func(w *worker, s step) string {
		flags, err := unix.FcntlInt(uintptr(w.fd(s.FD)), unix.F_GETFL, 0)
		return done(err, strconv.FormatInt(int64(flags), 8))
	}},
}
