package conformance

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Who is who: 1 is 1001 with 2000 as a supplementary group, 2 is 1002 with 2000 and 3000, 4 is 1003 and in no group.

var groupScenes = []scene{
	{name: "chgrp", rows: []string{rowChange}, play: func(s *stage) {
		for _, who := range []int{1, 2, 4, 5} {
			for _, gid := range []int{2000, 3000, 1001} {
				s.file("f", "text", 0o6775, 1001, 1001)
				var err error
				s.as(who, func() { err = unix.Chown("f", -1, gid) })
				s.tell(fmt.Sprint(who, " to ", gid), err, s.seen("f"))
			}
		}
		s.file("f", "text", 0o755, 1001, 1001)
		s.as(4, func() { s.tell("by somebody else", unix.Chown("f", 1003, -1)) })
		s.as(1, func() { s.tell("give away", unix.Chown("f", 1002, -1)) })
		s.as(1, func() { s.tell("to oneself", unix.Chown("f", 1001, -1), s.seen("f")) })
	}},
	{name: "chmod", rows: []string{rowChange}, play: func(s *stage) {
		for _, gid := range []int{1001, 2000, 3000} {
			for _, mode := range []uint32{0o2755, 0o6755, 0o1755, 0o2644} {
				s.file("f", "text", 0o644, 1001, gid)
				s.as(1, func() { s.tell(fmt.Sprintf("%d %o", gid, mode), unix.Chmod("f", mode), s.seen("f")) })
			}
		}
		s.as(4, func() { s.tell("by somebody else", unix.Chmod("f", 0o777)) })
		s.folder("d", 0o755, 1001, 3000)
		s.as(1, func() { s.tell("directory", unix.Chmod("d", 0o3777), s.seen("d")) })
	}},
	{name: "group-folders", rows: []string{"create, `O_TMPFILE`, mkdir, symlink, link", "FIFOs, sockets", "mknod"}, play: func(s *stage) {
		s.folder("group", 0o770, 0, 2000)
		s.folder("setgid", 0o2777, 0, 3000)
		s.folder("shared", 0o2775, 0, 2000)
		for _, who := range []int{1, 2, 3, 4, 5, 6} {
			for _, dir := range []string{"group", "setgid", "shared"} {
				s.as(who, func() { s.createIn(fmt.Sprint(dir, "/", who)) })
			}
		}
	}},
	{name: "sticky", rows: []string{"unlink, rmdir", "rename, `RENAME_NOREPLACE`, `RENAME_EXCHANGE`"}, play: func(s *stage) {
		s.folder("t", 0o1777, 0, 0)
		for _, name := range []string{"t/a", "t/b", "t/c"} {
			s.file(name, "text", 0o666, 1001, 2000)
		}
		s.file("mine", "text", 0o666, 1002, 1002)
		s.folder("t/d", 0o777, 1001, 2000)
		for _, who := range []int{2, 4, 1} {
			s.as(who, func() {
				s.tell("over", unix.Rename("mine", "t/a"))
				s.tell("away", unix.Rename("t/b", "t/z"))
				s.tell("unlink", unix.Unlink("t/c"))
				s.tell("rmdir", unix.Rmdir("t/d"))
				s.tell("create", unix.Mknod("t/new", unix.S_IFREG|0o600, 0))
			})
		}
	}},
	{name: "acl", rows: []string{"extended attributes, ACLs"}, play: playACL},
}

// createIn makes one of everything.
func (s *stage) createIn(name string) {
	fd, err := unix.Open(name+"f", unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o2777)
	s.tell(name+" open", err, s.seen(name+"f"))
	unix.Close(fd)
	s.tell(name+" mkdir", unix.Mkdir(name+"d", 0o777), s.seen(name+"d"))
	s.tell(name+" mkfifo", unix.Mkfifo(name+"p", 0o2666), s.seen(name+"p"))
	s.tell(name+" socket", unix.Mknod(name+"s", unix.S_IFSOCK|0o666, 0), s.seen(name+"s"))
	s.tell(name+" file", unix.Mknod(name+"n", unix.S_IFREG|0o2775, 0), s.seen(name+"n"))
	s.tell(name+" symlink", unix.Symlink("x", name+"l"), s.seen(name+"l"))
	s.tell(name+" link", unix.Link(name+"f", name+"h"), s.seen(name+"h"))
}

func playACL(s *stage) {
	none := ^uint32(0)
	entries := func(mask uint32) []byte {
		return acl([3]uint32{1, 6, none}, [3]uint32{2, 6, 1001}, [3]uint32{4, 4, none}, [3]uint32{8, 6, 3000},
			[3]uint32{0x10, mask, none}, [3]uint32{0x20, 0, none})
	}
	for _, mask := range []uint32{7, 4, 0} {
		s.file("f", "text", 0o600, 0, 0)
		s.tell("set", unix.Setxattr("f", "system.posix_acl_access", entries(mask), 0), s.seen("f"))
		for _, who := range []int{1, 2, 3, 4, 5} {
			s.as(who, func() {
				for _, flags := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR | unix.O_TRUNC} {
					fd, err := unix.Open("f", flags|unix.O_CLOEXEC, 0)
					s.tell(fmt.Sprint(mask, who, flags), err)
					unix.Close(fd)
				}
				s.tell("by somebody else", unix.Setxattr("f", "system.posix_acl_access", entries(7), 0))
			})
		}
	}
	s.folder("d", 0o777, 0, 2000)
	s.tell("set default", unix.Setxattr("d", "system.posix_acl_default", entries(6), 0), s.seen("d"))
	for _, who := range []int{0, 1, 4, 5} {
		s.as(who, func() { s.createIn(fmt.Sprint("d/", who)) })
		s.as(2, func() {
			fd, err := unix.Open(fmt.Sprint("d/", who, "f"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
			s.tell("named group writes", err)
			unix.Close(fd)
		})
	}
	b := make([]byte, 512)
	n, err := unix.Getxattr("d/1d", "system.posix_acl_default", b)
	s.tell("inherited", err, n, binary.BigEndian.Uint32(b[4:]))
	s.as(1, func() { s.tell("chmod", unix.Chmod("d/1f", 0o640), s.seen("d/1f")) })
}
