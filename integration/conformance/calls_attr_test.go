package conformance

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const follow = unix.AT_SYMLINK_NOFOLLOW

var attrCalls = []call{
	{"chmod", 6, func(g *gen, s *step) { s.P, s.Mode = g.place(), g.mode() }, func(w *worker, s step) string {
		return done(unix.Fchmodat(w.at(s.P), s.P.Name, s.Mode, 0))
	}},
	{"fchmodat2", 2, func(g *gen, s *step) {
		s.P, s.Mode, s.Flags = g.place(), g.mode(), g.some(2, unix.AT_SYMLINK_NOFOLLOW, unix.AT_EMPTY_PATH)
	}, func(w *worker, s step) string {
		_, _, e := unix.Syscall6(unix.SYS_FCHMODAT2, uintptr(w.at(s.P)), uintptr(unsafe.Pointer(cstring(s.P.Name))), uintptr(s.Mode), uintptr(s.Flags), 0, 0)
		return told(e)
	}},
	{"fchmod", 3, func(g *gen, s *step) { s.FD, s.Mode = g.fd(), g.mode() }, func(w *worker, s step) string {
		return done(unix.Fchmod(w.fd(s.FD), s.Mode))
	}},
	{"chown", 6, func(g *gen, s *step) { s.P, s.Flags = g.place(), of(g, 0, follow); g.owner(s) }, func(w *worker, s step) string {
		return done(unix.Fchownat(w.at(s.P), s.P.Name, s.UID, s.GID, s.Flags))
	}},
	{"fchown", 2, func(g *gen, s *step) { s.FD = g.fd(); g.owner(s) }, func(w *worker, s step) string {
		return done(unix.Fchown(w.fd(s.FD), s.UID, s.GID))
	}},
	{"utimens", 4, func(g *gen, s *step) { s.P, s.Flags = g.place(), of(g, 0, follow); s.Times = g.times() }, func(w *worker, s step) string {
		return done(unix.UtimesNanoAt(w.at(s.P), s.P.Name, s.timespecs(), s.Flags))
	}},
	{"futimens", 2, func(g *gen, s *step) { s.FD, s.Times = g.fd(), g.times() }, func(w *worker, s step) string {
		ts := s.timespecs()
		_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(w.fd(s.FD)), 0, uintptr(unsafe.Pointer(&ts[0])), 0, 0, 0)
		return told(e)
	}},
	{"truncate", 4, func(g *gen, s *step) { s.P, s.Off = g.place(), g.offset() }, func(w *worker, s step) string {
		return w.in(s.P, func() error { return unix.Truncate(s.P.Name, s.Off) })
	}},
	{"stat", 4, func(g *gen, s *step) {
		s.P, s.Flags = g.place(), g.some(2, follow, unix.AT_EMPTY_PATH)
	}, func(w *worker, s step) string {
		var st unix.Stat_t
		err := unix.Fstatat(w.at(s.P), s.P.Name, &st, s.Flags)
		return done(err, shortStat(st))
	}},
	{"fstat", 2, func(g *gen, s *step) { s.FD = g.fd() }, func(w *worker, s step) string {
		var st unix.Stat_t
		err := unix.Fstat(w.fd(s.FD), &st)
		return done(err, shortStat(st))
	}},
	{"statx", 2, func(g *gen, s *step) {
		s.P, s.Flags = g.place(), of(g, 0, unix.AT_STATX_FORCE_SYNC)|g.some(2, follow)
	}, func(w *worker, s step) string {
		var st unix.Statx_t
		err := unix.Statx(w.at(s.P), s.P.Name, s.Flags, unix.STATX_BASIC_STATS, &st)
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			st.Size = 0
		}
		return done(err, shownMode(uint32(st.Mode)), st.Uid, st.Gid, st.Size, st.Nlink, moment(st.Mtime.Sec, int64(st.Mtime.Nsec)))
	}},
	{"access", 4, func(g *gen, s *step) {
		s.P, s.Mode, s.Flags = g.place(), uint32(g.IntN(8)), g.some(3, unix.AT_EACCESS, follow)
	}, func(w *worker, s step) string {
		_, _, e := unix.Syscall6(unix.SYS_FACCESSAT2, uintptr(w.at(s.P)), uintptr(unsafe.Pointer(cstring(s.P.Name))), uintptr(s.Mode), uintptr(s.Flags), 0, 0)
		return told(e)
	}},
	{"getflags", 1, func(g *gen, s *step) { s.FD = g.fd() }, func(w *worker, s step) string {
		if typ := w.typ(s.FD); typ != unix.S_IFREG && typ != unix.S_IFDIR {
			return "special" // the kernel asks nobody
		}
		flags, err := unix.IoctlGetInt(w.fd(s.FD), unix.FS_IOC_GETFLAGS)
		return done(err, flags)
	}},
}

func (g *gen) times() (t [2]int64) {
	for i := range t {
		t[i] = of[int64](g, omit, now, 0, 1, 86400, 999999999)
	}
	return t
}

func (s step) timespecs() []unix.Timespec {
	list := make([]unix.Timespec, 2)
	for i, sec := range s.Times {
		switch sec {
		case omit:
			list[i].Nsec = unix.UTIME_OMIT
		case now:
			list[i].Nsec = unix.UTIME_NOW
		default:
			list[i] = unix.Timespec{Sec: sec, Nsec: sec % 1000}
		}
	}
	return list
}
