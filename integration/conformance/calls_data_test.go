package conformance

import (
	"fmt"
	"hash/crc32"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// digest tells contents apart.
func digest(b []byte) string { return fmt.Sprintf("%d:%08x", len(b), crc32.ChecksumIEEE(b)) }

// aligned gives a buffer that O_DIRECT takes.
func aligned(n int) []byte {
	b := make([]byte, n+4096)
	skip := (4096 - int(uintptr(unsafe.Pointer(&b[0]))%4096)) % 4096
	return b[skip : skip+n]
}

func copied(data []byte) []byte {
	b := aligned(len(data))
	copy(b, data)
	return b
}

// halves cuts a buffer in two for vectors.
func halves(b []byte) [][]byte { return [][]byte{b[:len(b)/2], b[len(b)/2:]} }

var dataCalls = []call{
	{"read", 4, func(g *gen, s *step) { s.FD, s.Len = g.fd(), g.size() }, func(w *worker, s step) string {
		b := aligned(int(s.Len))
		n, err := unix.Read(w.fd(s.FD), b)
		return done(err, digest(b[:max(n, 0)]))
	}},
	{"pread", 4, func(g *gen, s *step) { s.FD, s.Len, s.Off = g.fd(), g.size(), g.offset() }, func(w *worker, s step) string {
		b := aligned(int(s.Len))
		n, err := unix.Pread(w.fd(s.FD), b, s.Off)
		return done(err, digest(b[:max(n, 0)]))
	}},
	{"readv", 1, func(g *gen, s *step) { s.FD, s.Len = g.fd(), g.size() }, func(w *worker, s step) string {
		b := aligned(int(s.Len))
		n, err := unix.Readv(w.fd(s.FD), halves(b))
		return done(err, digest(b[:max(n, 0)]))
	}},
	{"write", 8, func(g *gen, s *step) { s.FD, s.Data = g.fd(), g.data() }, func(w *worker, s step) string {
		n, err := unix.Write(w.fd(s.FD), copied(s.Data))
		return done(err, n)
	}},
	{"pwrite", 7, func(g *gen, s *step) { s.FD, s.Data, s.Off = g.fd(), g.data(), min(g.offset(), maxOffset) }, func(w *worker, s step) string {
		n, err := unix.Pwrite(w.fd(s.FD), copied(s.Data), s.Off)
		return done(err, n)
	}},
	{"pwritev2", 4, func(g *gen, s *step) {
		s.FD, s.Data, s.Off = g.fd(), g.data(), min(g.offset(), maxOffset)
		s.Flags = g.some(3, unix.RWF_APPEND, unix.RWF_DSYNC, unix.RWF_SYNC)
		if g.one(4) {
			s.Off = -1
		}
	}, func(w *worker, s step) string {
		n, err := unix.Pwritev2(w.fd(s.FD), halves(copied(s.Data)), s.Off, s.Flags)
		return done(err, n)
	}},
	{"ftruncate", 4, func(g *gen, s *step) { s.FD, s.Off = g.fd(), g.offset() }, func(w *worker, s step) string {
		return done(unix.Ftruncate(w.fd(s.FD), s.Off))
	}},
	{"mmapread", 3, func(g *gen, s *step) { drawMap(g, s); s.Mode = unix.PROT_READ }, func(w *worker, s step) string {
		return w.mapped(s, func(mem []byte) string { return done(nil, digest(mem)) })
	}},
	{"mmapwrite", 5, func(g *gen, s *step) {
		drawMap(g, s)
		s.Mode = unix.PROT_READ | unix.PROT_WRITE
		s.Off2, s.Data = int64(g.IntN(int(s.Len))), []byte{byte(g.IntN(256))}
		s.FD2 = g.IntN(2)
	}, func(w *worker, s step) string {
		if w.behindEnd(s.FD, s.Off+s.Off2) {
			return "behind the end"
		}
		return w.mapped(s, func(mem []byte) string {
			mem[s.Off2] = s.Data[0]
			if s.FD2 == 0 {
				return done(unix.Msync(mem, unix.MS_SYNC))
			}
			return "ok"
		})
	}},
	{"fsync", 1, func(g *gen, s *step) { s.FD = g.fd() }, func(w *worker, s step) string { return done(unix.Fsync(w.fd(s.FD))) }},
	{"fdatasync", 1, func(g *gen, s *step) { s.FD = g.fd() }, func(w *worker, s step) string { return done(unix.Fdatasync(w.fd(s.FD))) }},
}

func drawMap(g *gen, s *step) {
	s.FD, s.Off, s.Len = g.fd(), int64(g.IntN(4))*4096, int64(1+g.IntN(8192))
	s.Flags = of(g, unix.MAP_SHARED, unix.MAP_SHARED, unix.MAP_PRIVATE)
}

// mapped maps a file, uses the mapping and unmaps it. Access behind the end of the file is told, not fatal.
func (w *worker) mapped(s step, use func(mem []byte) string) (result string) {
	mem, err := unix.Mmap(w.fd(s.FD), s.Off, int(s.Len), int(s.Mode), s.Flags)
	if err != nil {
		return done(err)
	}
	defer unix.Munmap(mem)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if e, ok := recover().(interface{ Addr() uintptr }); ok {
			result = fmt.Sprint("SIGBUS at ", e.Addr()-uintptr(unsafe.Pointer(&mem[0])))
		}
	}()
	return use(mem)
}

// behindEnd tells of a byte that is in a file's last page but not in the file.
func (w *worker) behindEnd(slot int, at int64) bool {
	var st unix.Stat_t
	err := unix.Fstat(w.fd(slot), &st)
	return err == nil && at >= st.Size && at < (st.Size+4095)&^4095
}
