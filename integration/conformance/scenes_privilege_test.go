package conformance

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	rowIoctl  = "ioctl"
	rowMknod  = "mknod"
	rowAppend = "append-only files"
)

var privilegeScenes = []scene{
	{name: "flags", rows: []string{rowIoctl, rowAppend}, play: playFlags, differs: []difference{
		{row: rowIoctl, key: ". set flags", view: "ENOTTY"},
		{row: rowAppend, key: "20 (open|write) 2002", native: "ok"},
		{row: rowAppend, key: "text"},
	}},
	{name: "devices", rows: []string{rowMknod}, play: func(s *stage) {
		for _, who := range []int{0, 1, 6} {
			s.as(who, func() {
				for _, mode := range []uint32{unix.S_IFCHR, unix.S_IFBLK} {
					s.tell(fmt.Sprint(who, " device"), unix.Mknod(fmt.Sprint("dev", who, mode), mode|0o600, int(unix.Mkdev(1, 3))))
				}
				s.tell("whiteout", unix.Mknod(fmt.Sprint("white", who), unix.S_IFCHR, 0))
				s.tell("folder", unix.Mknod(fmt.Sprint("dir", who), unix.S_IFDIR|0o700, 0))
			})
		}
	}, differs: []difference{
		{row: rowMknod, key: "[06] device", view: "EPERM"}, {row: rowMknod, key: "whiteout", view: "EPERM"},
	}},
	{name: "owners", rows: []string{rowChange, rowXattr}, play: func(s *stage) {
		s.file("root", "text", 0o644, 0, 0)
		s.file("mine", "text", 0o644, 1001, 1001)
		for _, who := range []int{1, 4, 5} {
			s.as(who, func() {
				for _, f := range []string{"root", "mine"} {
					s.tell("chown", unix.Chown(f, 1001, -1))
					s.tell("to root", unix.Chown(f, 0, 0))
					s.tell("chmod", unix.Chmod(f, 0o4755))
					s.tell("truncate", unix.Truncate(f, 1))
					s.tell("utimes", unix.UtimesNanoAt(unix.AT_FDCWD, f, []unix.Timespec{{Sec: 1}, {Sec: 1}}, 0))
					s.tell("capability", unix.Setxattr(f, "security.capability", capability, 0))
					s.tell("trusted", unix.Setxattr(f, "trusted.t", []byte("x"), 0))
					s.tell("label", unix.Setxattr(f, "security.evm", []byte("x"), 0))
					s.tell("unlabel", unix.Removexattr(f, "trusted.t"))
					s.tell("overwrite", unix.Rename("none", f))
				}
			})
		}
		s.tell("root", nil, s.seen("root"), s.seen("mine"))
	}},
}

// playFlags looks at flags of files that an administrator of the host has set, and tries to set them.
func playFlags(s *stage) {
	for _, flag := range []int{unix.STATX_ATTR_IMMUTABLE, unix.STATX_ATTR_APPEND} { // the numbers are FS_IMMUTABLE_FL and FS_APPEND_FL
		s.file("f", "text", 0o666, 1001, 1001)
		s.tell("host", s.hostFlags("f", flag))
		for _, who := range []int{0, 1} {
			s.as(who, func() {
				for _, mode := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR | unix.O_APPEND, unix.O_WRONLY | unix.O_TRUNC | unix.O_APPEND} {
					fd, err := unix.Open("f", mode|unix.O_CLOEXEC, 0)
					s.tell(fmt.Sprintf("%x open %o", flag, mode), err)
					_, err = unix.Write(fd, []byte("more"))
					s.tell(fmt.Sprintf("%x write %o", flag, mode), err)
					unix.Close(fd)
				}
				s.tell("chmod", unix.Chmod("f", 0o777))
				s.tell("chown", unix.Chown("f", 1001, 1001))
				s.tell("link", unix.Link("f", "g"))
				s.tell("rename", unix.Rename("f", "g"))
				s.tell("unlink", unix.Unlink("f"))
				s.tell("truncate", unix.Truncate("f", 0))
				s.tell("setxattr", unix.Setxattr("f", "user.a", []byte("x"), 0))
				s.tell("utimes", unix.UtimesNanoAt(unix.AT_FDCWD, "f", []unix.Timespec{{Sec: 1}, {Sec: 1}}, 0))
			})
		}
		s.tell("host", s.hostFlags("f", 0))
		s.tell("text", nil, s.text("f"))
	}
	for _, who := range []int{0, 1, 6} {
		s.as(who, func() {
			fd := s.open("f", unix.O_RDONLY)
			defer unix.Close(fd)
			flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
			s.tell("get flags", err, flags&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND))
			s.tell(fmt.Sprint(who, " set flags"), unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags)|unix.STATX_ATTR_NODUMP))
		})
	}
	s.tell("host", s.hostFlags("f", 0))
}

// hostFlags sets a file's flags from outside.
func (s *stage) hostFlags(name string, flags int) error {
	fd, err := unix.Openat(s.host, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	old, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	const both = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND | unix.STATX_ATTR_NODUMP
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(old)&^both|flags)
}
