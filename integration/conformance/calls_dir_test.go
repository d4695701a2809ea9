package conformance

import (
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

var dirCalls = []call{
	{"getdents", 3, func(g *gen, s *step) { s.FD, s.Len = g.fd(), of[int64](g, 64, 4096) }, func(w *worker, s step) string {
		return w.list(w.fd(s.FD), int(s.Len))
	}},
	{"syncfs", 1, func(g *gen, s *step) { s.FD = g.fd() }, func(w *worker, s step) string { return done(unix.Syncfs(w.fd(s.FD))) }},
}

// list reads a directory in pieces, the second half after a seek back to where the first piece ended. Orders differ
// between file systems that are otherwise alike, so the names are sorted.
func (w *worker) list(fd, size int) string {
	if _, err := unix.Seek(fd, 0, 0); err != nil {
		return done(err)
	}
	var all []string
	buf := make([]byte, size)
	for round := 0; ; round++ {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			return done(err)
		}
		if n == 0 {
			break
		}
		names, next := entries(buf[:n])
		all = append(all, names...)
		if round%2 == 0 {
			if _, err := unix.Seek(fd, 0, 0); err != nil {
				return "rewind " + done(err)
			}
			if _, err := unix.Seek(fd, next, 0); err != nil {
				return "seek " + done(err)
			}
		}
	}
	sort.Strings(all)
	return "ok " + strings.Join(all, " ")
}

// entries gives name and type of each entry, and the offset behind the last.
func entries(b []byte) (names []string, next int64) {
	for len(b) > 0 {
		var size uint16
		next = 0
		for i := range 8 {
			next |= int64(b[8+i]) << (8 * i)
		}
		size = uint16(b[16]) | uint16(b[17])<<8
		name, _, _ := strings.Cut(string(b[19:size]), "\x00")
		names = append(names, string('a'+rune(b[18]))+":"+name)
		b = b[size:]
	}
	return names, next
}
