package conformance

import (
	"encoding/binary"
	"fmt"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

var xattrNames = []string{
	"user.a", "user.b", "user.a", "trusted.t", "security.s", "security.capability", "system.posix_acl_access",
	"system.posix_acl_default", "system.posix_acl_access", "bad", "user.", "system.other", "user." + strings.Repeat("x", 250), "user." + strings.Repeat("x", 251),
}

// acl makes an access control list in the kernel's form, of tag, permission and id.
func acl(entries ...[3]uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

const nobody = ^uint32(0)

var acls = [][]byte{
	acl([3]uint32{1, 7, nobody}, [3]uint32{2, 6, 1001}, [3]uint32{4, 5, nobody}, [3]uint32{0x10, 6, nobody}, [3]uint32{0x20, 0, nobody}),
	acl([3]uint32{1, 6, nobody}, [3]uint32{4, 4, nobody}, [3]uint32{8, 7, 2000}, [3]uint32{0x10, 7, nobody}, [3]uint32{0x20, 4, nobody}),
	acl([3]uint32{1, 6, nobody}, [3]uint32{4, 4, nobody}, [3]uint32{0x20, 4, nobody}), // no more than a mode
	acl([3]uint32{1, 6, nobody}, [3]uint32{2, 6, 1001}),                               // incomplete
	acl(),
	{1, 2, 3},
}

// capability is cap_net_bind_service, effective, as the kernel keeps it.
var capability = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(
	binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0x02000001), 1<<10), 0), 0), 0)

func drawXattr(g *gen, s *step) {
	s.Name, s.Flags = of(g, xattrNames...), of(g, 0, 0, 0, unix.XATTR_CREATE, unix.XATTR_REPLACE)
	switch {
	case strings.HasPrefix(s.Name, "system."):
		s.Data = of(g, acls...)
	case s.Name == "security.capability":
		s.Data = of(g, capability, capability, []byte("x"))
	default:
		s.Data = g.data()
		if len(s.Data) > 200 { // what file systems have room for depends on what else is there
			s.Data = s.Data[:200]
		}
	}
}

// in runs a call that has no form with a directory. Threads have a working directory of their own.
func (w *worker) in(p place, f func() error) string {
	if err := unix.Fchdir(w.at(p)); err != nil {
		return "fchdir " + done(err)
	}
	defer unix.Fchdir(w.root)
	return done(f())
}

var xattrCalls = []call{
	{"setxattr", 6, func(g *gen, s *step) { s.P = g.place(); drawXattr(g, s) }, func(w *worker, s step) string {
		return w.in(s.P, func() error { return unix.Setxattr(s.P.Name, s.Name, s.Data, s.Flags) })
	}},
	{"lsetxattr", 2, func(g *gen, s *step) { s.P = g.place(); drawXattr(g, s) }, func(w *worker, s step) string {
		return w.in(s.P, func() error { return unix.Lsetxattr(s.P.Name, s.Name, s.Data, s.Flags) })
	}},
	{"fsetxattr", 4, func(g *gen, s *step) { s.FD = g.fd(); drawXattr(g, s) }, func(w *worker, s step) string {
		return done(unix.Fsetxattr(w.fd(s.FD), s.Name, s.Data, s.Flags))
	}},
	{"getxattr", 3, func(g *gen, s *step) {
		s.P, s.Name, s.Len = g.place(), of(g, "user.a", "user.a", of(g, xattrNames...)), of[int64](g, 0, 1, 300, 300)
	}, func(w *worker, s step) string {
		b, n := make([]byte, s.Len), 0
		result := w.in(s.P, func() (err error) { n, err = unix.Getxattr(s.P.Name, s.Name, b); return err })
		return fmt.Sprintln(result, n, digest(b))
	}},
	{"llistxattr", 2, func(g *gen, s *step) { s.P, s.Len = g.place(), of[int64](g, 1, 5000, 5000) }, func(w *worker, s step) string {
		b, n := make([]byte, s.Len), 0
		result := w.in(s.P, func() (err error) { n, err = unix.Llistxattr(s.P.Name, b); return err })
		return fmt.Sprintln(result, xattrList(b[:max(n, 0)]))
	}},
	{"flistxattr", 1, func(g *gen, s *step) { s.FD = g.fd() }, func(w *worker, s step) string {
		b := make([]byte, 5000)
		n, err := unix.Flistxattr(w.fd(s.FD), b)
		return done(err, xattrList(b[:max(n, 0)]))
	}},
	{"fgetxattr", 2, func(g *gen, s *step) { s.FD, s.Name = g.fd(), of(g, "user.a", "user.a", of(g, xattrNames...)) }, func(w *worker, s step) string {
		b := make([]byte, 300)
		n, err := unix.Fgetxattr(w.fd(s.FD), s.Name, b)
		return done(err, n, digest(b))
	}},
	{"lremovexattr", 3, func(g *gen, s *step) { s.P, s.Name = g.place(), of(g, xattrNames...); removesACL(s) }, func(w *worker, s step) string {
		return w.in(s.P, func() error { return unix.Lremovexattr(s.P.Name, s.Name) })
	}},
	{"fremovexattr", 1, func(g *gen, s *step) { s.FD, s.Name = g.fd(), of(g, xattrNames...); removesACL(s) }, func(w *worker, s step) string {
		return done(unix.Fremovexattr(w.fd(s.FD), s.Name))
	}},
}

func xattrList(b []byte) string {
	list := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
	sort.Strings(list)
	return strings.Join(list, " ")
}
