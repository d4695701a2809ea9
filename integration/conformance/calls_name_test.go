package conformance

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

var linkTargets = []string{"a", "b", "d", "d/a", "../a", "../b", "nowhere", "l", "/", "/a", "/d", ".", "..", "p", strings.Repeat("y", 4095)}

var nameCalls = []call{
	{"mkdir", 5, func(g *gen, s *step) { s.P, s.Mode = g.place(), g.mode() }, func(w *worker, s step) string {
		return done(unix.Mkdirat(w.at(s.P), s.P.Name, s.Mode))
	}},
	{"rmdir", 3, func(g *gen, s *step) { s.P = g.place() }, func(w *worker, s step) string {
		return done(unix.Unlinkat(w.at(s.P), s.P.Name, unix.AT_REMOVEDIR))
	}},
	{"mknod", 3, func(g *gen, s *step) {
		s.P, s.Mode = g.place(), g.mode()
		s.Flags = of(g, unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK, 0, unix.S_IFDIR)
	}, func(w *worker, s step) string {
		return done(unix.Mknodat(w.at(s.P), s.P.Name, s.Mode|uint32(s.Flags), 0))
	}},
	{"symlink", 4, func(g *gen, s *step) { s.P, s.Name = g.place(), of(g, linkTargets...) }, func(w *worker, s step) string {
		return done(unix.Symlinkat(s.Name, w.at(s.P), s.P.Name))
	}},
	{"readlink", 2, func(g *gen, s *step) { s.P, s.Len = g.place(), of[int64](g, 1, 5, 5000) }, func(w *worker, s step) string {
		b := make([]byte, s.Len)
		n, err := unix.Readlinkat(w.at(s.P), s.P.Name, b)
		return done(err, digest(b[:max(n, 0)]))
	}},
	{"link", 6, func(g *gen, s *step) {
		s.P, s.Q, s.Flags = g.place(), g.place(), of(g, 0, 0, unix.AT_SYMLINK_FOLLOW)
	}, func(w *worker, s step) string {
		return done(unix.Linkat(w.at(s.P), s.P.Name, w.at(s.Q), s.Q.Name, s.Flags))
	}},
	{"linkfd", 4, func(g *gen, s *step) { s.FD, s.Q = g.fd(), g.place() }, func(w *worker, s step) string {
		return done(unix.Linkat(w.fd(s.FD), "", w.at(s.Q), s.Q.Name, unix.AT_EMPTY_PATH))
	}},
	{"linkproc", 3, func(g *gen, s *step) { s.FD, s.Q = g.fd(), g.place() }, func(w *worker, s step) string {
		return done(unix.Linkat(w.proc, strconv.Itoa(w.fd(s.FD)), w.at(s.Q), s.Q.Name, unix.AT_SYMLINK_FOLLOW))
	}},
	{"unlink", 5, func(g *gen, s *step) { s.P = g.place() }, func(w *worker, s step) string {
		return done(unix.Unlinkat(w.at(s.P), s.P.Name, 0))
	}},
	{"rename", 9, func(g *gen, s *step) {
		s.P, s.Q = g.place(), g.place()
		s.Flags = of(g, 0, 0, 0, unix.RENAME_NOREPLACE, unix.RENAME_EXCHANGE, unix.RENAME_EXCHANGE|unix.RENAME_NOREPLACE, 1<<7)
	}, func(w *worker, s step) string {
		return done(unix.Renameat2(w.at(s.P), s.P.Name, w.at(s.Q), s.Q.Name, uint(s.Flags)))
	}},
}
