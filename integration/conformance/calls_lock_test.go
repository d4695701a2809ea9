package conformance

import "golang.org/x/sys/unix"

func drawLock(g *gen, s *step) {
	s.FD, s.Flags = g.fd(), of(g, unix.F_RDLCK, unix.F_WRLCK, unix.F_WRLCK, unix.F_UNLCK)
	s.Off, s.Len = int64(g.IntN(5)), int64(g.IntN(3))
}

func (w *worker) lock(s step, cmd int) string {
	l := unix.Flock_t{Type: int16(s.Flags), Start: s.Off, Len: s.Len}
	err := unix.FcntlFlock(uintptr(w.fd(s.FD)), cmd, &l)
	return done(err, l.Type, l.Start, l.Len)
}

var lockCalls = []call{
	{"flock", 2, func(g *gen, s *step) {
		s.FD, s.Flags = g.fd(), of(g, unix.LOCK_SH, unix.LOCK_EX, unix.LOCK_EX, unix.LOCK_UN)
	}, func(w *worker, s step) string { return done(unix.Flock(w.fd(s.FD), s.Flags|unix.LOCK_NB)) }},
	{"setlk", 1, drawLock, func(w *worker, s step) string { return w.lock(s, unix.F_SETLK) }},
	{"getlk", 1, drawLock, func(w *worker, s step) string { return w.lock(s, unix.F_GETLK) }},
	{"ofdsetlk", 2, drawLock, func(w *worker, s step) string { return w.lock(s, unix.F_OFD_SETLK) }},
	{"ofdgetlk", 1, drawLock, func(w *worker, s step) string { return w.lock(s, unix.F_OFD_GETLK) }},
}
