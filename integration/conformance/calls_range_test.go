package conformance

import "golang.org/x/sys/unix"

// piece draws where a copy begins and ends, often at whole blocks: some file systems clone these.
func (g *gen) piece(s *step) {
	s.Off, s.Off2, s.Len = min(g.offset(), maxOffset), min(g.offset(), maxOffset), g.size()
	if g.one(2) {
		s.Off, s.Off2, s.Len = s.Off&^4095, s.Off2&^4095, s.Len&^4095
	}
}

var rangeCalls = []call{
	{"direct", 3, func(g *gen, s *step) {
		s.P, s.Off, s.Len = g.place(), int64(g.IntN(20))*4096, int64(1+g.IntN(3))*4096
		s.Flags = of(g, unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR) | unix.O_DIRECT | unix.O_NONBLOCK
		s.Data = []byte{byte(g.IntN(256))}
	}, func(w *worker, s step) string { return w.direct(s) }},
	{"fallocate", 6, func(g *gen, s *step) {
		s.FD, s.Off, s.Len = g.fd(), min(g.offset(), maxOffset), g.size()
		s.Flags = of(g, 0, 0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE,
			unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE, unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, 1<<20)
	}, func(w *worker, s step) string {
		return done(unix.Fallocate(w.fd(s.FD), uint32(s.Flags), s.Off, s.Len))
	}},
	{"lseek", 5, func(g *gen, s *step) {
		s.FD, s.Off = g.fd(), g.offset()
		s.Flags = of(g, unix.SEEK_SET, unix.SEEK_CUR, unix.SEEK_END, unix.SEEK_DATA, unix.SEEK_HOLE, 9)
		s.Off = min(s.Off, maxOffset)
	}, func(w *worker, s step) string {
		if w.typ(s.FD) == unix.S_IFDIR {
			return "a directory"
		}
		seeksData := s.Flags == unix.SEEK_DATA || s.Flags == unix.SEEK_HOLE
		if seeksData {
			s.Off = max(0, s.Off) // file systems differ about less, and btrfs with itself
		}
		at, _ := unix.Seek(w.fd(s.FD), 0, unix.SEEK_CUR)
		n, err := unix.Seek(w.fd(s.FD), s.Off, s.Flags)
		if seeksData {
			_, _ = unix.Seek(w.fd(s.FD), at, unix.SEEK_SET)
		}
		return done(err, n)
	}},
	{"copy_file_range", 5, func(g *gen, s *step) { s.FD, s.FD2 = g.fd(), g.fd(); g.piece(s) }, func(w *worker, s step) string {
		a, b := s.Off, s.Off2
		n, err := unix.CopyFileRange(w.fd(s.FD), &a, w.fd(s.FD2), &b, int(s.Len), 0)
		return done(err, n, a, b)
	}},
	{"sendfile", 3, func(g *gen, s *step) { s.FD, s.FD2 = g.fd(), g.fd(); g.piece(s) }, func(w *worker, s step) string {
		if same(w.fd(s.FD), w.fd(s.FD2)) {
			return "one file"
		}
		n, err := unix.Sendfile(w.fd(s.FD2), w.fd(s.FD), &s.Off, int(s.Len))
		return done(err, n, s.Off)
	}},
	{"splice", 2, func(g *gen, s *step) { s.FD, s.FD2 = g.fd(), g.fd(); g.piece(s) }, func(w *worker, s step) string {
		if same(w.fd(s.FD), w.fd(s.FD2)) {
			return "one file"
		}
		var p [2]int
		demand("pipe", unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
		defer unix.Close(p[0])
		defer unix.Close(p[1])
		n, err := unix.Splice(w.fd(s.FD), &s.Off, p[1], nil, int(s.Len), unix.SPLICE_F_NONBLOCK)
		if err != nil || n == 0 {
			return done(err, n)
		}
		m, err := unix.Splice(p[0], nil, w.fd(s.FD2), &s.Off2, int(n), unix.SPLICE_F_NONBLOCK)
		return done(err, n, m)
	}},
}

func same(a, b int) bool {
	var x, y unix.Stat_t
	return unix.Fstat(a, &x) == nil && unix.Fstat(b, &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino
}

// direct writes and reads an aligned piece of a regular file with O_DIRECT.
func (w *worker) direct(s step) string {
	fd, err := unix.Openat(w.at(s.P), s.P.Name, s.Flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return done(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "not a file"
	}
	defer dropFSETID()()
	buf := aligned(int(s.Len))
	for i := range buf {
		buf[i] = s.Data[0]
	}
	n, wrote := unix.Pwrite(fd, buf, s.Off)
	m, read := unix.Pread(fd, buf, s.Off&^8191)
	return done(wrote, n) + " " + done(read, digest(buf[:max(m, 0)]))
}
