package conformance

import (
	"fmt"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	rowXattr  = "extended attributes, ACLs"
	rowStat   = "look-up, stat, statx, statfs"
	rowTimes  = "access times"
	rowHandle = "name_to_handle_at, open_by_handle_at"
)

var xattrScenes = []scene{
	{name: "xattr", rows: []string{rowXattr}, play: playXattr},
	{name: "xattr-size", rows: []string{rowXattr}, play: func(s *stage) {
		s.file("f", "text", 0o666, 0, 0)
		big := make([]byte, 1<<16+1)
		s.tell("E2BIG", unix.Setxattr("f", "user.big", big, 0))
		s.tell("64 KiB", unix.Setxattr("f", "user.big", big[:1<<16], 0))
		n, err := unix.Getxattr("f", "user.big", big)
		s.tell("read", err, n)
		n, err = unix.Getxattr("f", "user.big", big[:100])
		s.tell("short", err, n)
		_ = unix.Removexattr("f", "user.big")
		for i := range 60 {
			if err := unix.Setxattr("f", fmt.Sprintf("user.%030d", i), []byte{byte(i)}, 0); err != nil {
				s.tell(fmt.Sprint("set ", i), err)
			}
		}
		n, err = unix.Listxattr("f", nil)
		s.tell("size of the list", err, n)
		n, err = unix.Listxattr("f", big[:200])
		s.tell("short list", err, n)
		n, err = unix.Listxattr("f", big)
		list := strings.Split(string(big[:max(n, 0)]), "\x00")
		sort.Strings(list)
		s.tell("list", err, digest([]byte(strings.Join(list, " "))))
	}},
}

func playXattr(s *stage) {
	s.file("f", "text", 0o666, 0, 0)
	s.file("private", "text", 0o600, 1001, 1001)
	s.folder("sticky", 0o1777, 0, 0)
	demand("symlink", unix.Symlink("f", "l"))
	demand("mkfifo", unix.Mkfifo("p", 0o666))
	s.tell("trusted", unix.Setxattr("f", "trusted.t", []byte("secret"), 0))
	s.tell("security", unix.Setxattr("f", "security.s", []byte("label"), 0))
	for _, who := range []int{0, 1, 5, 6} {
		s.as(who, func() {
			for _, name := range []string{"user.a", "trusted.t", "security.s", "security.capability", "system.other", "bad", "user."} {
				key, b := fmt.Sprint(who, " ", name), make([]byte, 100)
				for _, file := range []string{"f", "private", "sticky", "l", "p"} {
					value := []byte("value")
					if name == "security.capability" {
						value = capability
					}
					s.tell(key+" set "+file, unix.Lsetxattr(file, name, value, 0))
				}
				n, err := unix.Getxattr("f", name, b)
				s.tell(key+" get", err, digest(b[:max(n, 0)]))
				n, err = unix.Getxattr("f", name, nil)
				s.tell(key+" size", err, n)
				n, err = unix.Getxattr("f", name, b[:2])
				s.tell(key+" short", err, n)
				s.tell(key+" create", unix.Setxattr("f", name, []byte("v"), unix.XATTR_CREATE))
				s.tell(key+" replace", unix.Setxattr("private", name, []byte("v"), unix.XATTR_REPLACE))
				s.tell(key+" remove", unix.Removexattr("private", name))
			}
			n, err := unix.Getxattr("private", "user.a", make([]byte, 10))
			s.tell(fmt.Sprint(who, " private"), err, n)
		})
	}
	s.tell("too long", unix.Setxattr("f", "user."+strings.Repeat("x", 251), []byte("x"), 0))
	s.tell("flags", unix.Setxattr("f", "user.f", []byte("x"), unix.XATTR_CREATE|unix.XATTR_REPLACE))
	fd := s.open("f", unix.O_RDONLY)
	defer unix.Close(fd)
	s.tell("by a descriptor that reads", unix.Fsetxattr(fd, "user.fd", []byte("x"), 0))
	path := s.open("f", unix.O_PATH)
	defer unix.Close(path)
	s.tell("O_PATH", unix.Fsetxattr(path, "user.fd", []byte("x"), 0))
}

var attrScenes = []scene{
	{name: "statx", rows: []string{rowStat}, play: playStatx, differs: []difference{
		{row: rowStat, key: "birth time", native: "ok true", view: "ok false"},
		{row: rowStat, key: "attributes", view: "ok 0"},
		{row: rowStat, key: "direct", view: "ok false"},
		{row: rowStat, key: "type of the file system", view: "ok 65735546"},
		{row: rowStat, key: "device", native: "ok true", view: "ok false"},
	}},
	{name: "times", rows: []string{rowTimes, rowChange}, play: playTimes, differs: []difference{
		{row: rowTimes, key: "(read( again)?|mapped)(, shown)?", native: "ok now", view: "ok 1000", kinds: throughServer},
	}},
	{name: "handle", rows: []string{rowHandle}, play: func(s *stage) {
		s.file("f", "text", 0o666, 0, 0)
		h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "f", 0)
		s.tell("handle", err)
		if err != nil { // overlayfs has none
			s.tell("open by it", err)
			s.tell("by somebody else", err)
			s.tell("on the host", err)
			return
		}
		fd, err := unix.OpenByHandleAt(s.dir, h, unix.O_RDONLY|unix.O_CLOEXEC)
		s.tell("open by it", err)
		unix.Close(fd)
		s.as(1, func() {
			_, err = unix.OpenByHandleAt(s.dir, h, unix.O_RDONLY|unix.O_CLOEXEC)
			s.tell("by somebody else", err)
		})
		fd, err = unix.OpenByHandleAt(s.host, h, unix.O_RDONLY|unix.O_CLOEXEC)
		s.tell("on the host", err)
		unix.Close(fd)
	}, differs: []difference{
		{row: rowHandle, key: "on the host", native: "ok", view: "ESTALE"},
		{row: rowHandle, key: "handle|open by it|by somebody else|on the host", native: "ENOTSUP"},
	}},
}

func playStatx(s *stage) {
	s.file("f", "0123456789", 0o640, 1001, 2000)
	var st, at unix.Statx_t
	s.tell("statx", unix.Statx(unix.AT_FDCWD, "f", 0, unix.STATX_ALL|unix.STATX_MNT_ID|unix.STATX_DIOALIGN, &st))
	s.tell("basic", nil, st.Mask&unix.STATX_BASIC_STATS == unix.STATX_BASIC_STATS, st.Mode, st.Uid, st.Gid, st.Size, st.Nlink)
	s.tell("birth time", nil, st.Mask&unix.STATX_BTIME != 0)
	s.tell("attributes", nil, st.Attributes_mask&(unix.STATX_ATTR_COMPRESSED|unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND|unix.STATX_ATTR_NODUMP))
	s.tell("direct", nil, st.Mask&unix.STATX_DIOALIGN != 0)
	s.tell("folder", unix.Statx(s.dir, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &at))
	s.tell("mount", nil, st.Mask&unix.STATX_MNT_ID != 0, st.Mnt_id == at.Mnt_id, st.Dev_minor == at.Dev_minor)
	var behind unix.Statx_t
	s.tell("host", unix.Statx(s.host, "f", 0, unix.STATX_BASIC_STATS, &behind))
	s.tell("device", nil, st.Dev_major == behind.Dev_major && st.Dev_minor == behind.Dev_minor)
	s.tell("same", nil, st.Ino == behind.Ino, st.Blocks == behind.Blocks, st.Blksize == behind.Blksize, st.Mtime == behind.Mtime, st.Ctime == behind.Ctime)
	var fs, back unix.Statfs_t
	s.tell("statfs", unix.Statfs("f", &fs))
	s.tell("statfs", unix.Fstatfs(s.host, &back))
	s.tell("space", nil, fs.Blocks == back.Blocks, fs.Bsize == back.Bsize, fs.Files == back.Files, fs.Namelen, fs.Bavail > 0)
	s.tell("type of the file system", nil, fmt.Sprintf("%x", fs.Type))
}

// playTimes looks at what reading and writing do to times.
func playTimes(s *stage) {
	s.file("f", "text", 0o666, 1001, 1001)
	old := []unix.Timespec{{Sec: 1000}, {Sec: 2000}}
	show := func(key string) {
		var st unix.Stat_t
		err := unix.Fstatat(s.host, "f", &st, 0)
		s.tell(key, err, moment(st.Atim.Sec, 0), moment(st.Mtim.Sec, 0))
		err = unix.Stat("f", &st)
		s.tell(key+", shown", err, moment(st.Atim.Sec, 0), moment(st.Mtim.Sec, 0))
	}
	reset := func() { s.tell("set", unix.UtimesNanoAt(unix.AT_FDCWD, "f", old, 0)) }
	reads := func(key string, flags int) {
		fd, err := unix.Open("f", flags|unix.O_RDONLY|unix.O_CLOEXEC, 0)
		s.tell(key, err)
		_, _ = unix.Read(fd, make([]byte, 4))
		unix.Close(fd)
		show(key)
	}
	reset()
	show("set")
	reads("O_NOATIME", unix.O_NOATIME)
	s.as(4, func() {
		_, err := unix.Open("f", unix.O_RDONLY|unix.O_NOATIME|unix.O_CLOEXEC, 0)
		s.tell("O_NOATIME of somebody else's", err)
	})
	reads("read", 0)
	reads("read again", 0)
	reset()
	fd := s.open("f", unix.O_RDONLY)
	mem, err := unix.Mmap(fd, 0, 4, unix.PROT_READ, unix.MAP_SHARED)
	s.tell("map", err, mem[0])
	demand("unmap", unix.Munmap(mem))
	unix.Close(fd)
	show("mapped")
	reset()
	fd = s.open("f", unix.O_WRONLY)
	_, err = unix.Write(fd, []byte("x"))
	s.tell("write", err)
	show("written")
	unix.Close(fd)
	reset()
	s.tell("truncate to the same", unix.Truncate("f", 4))
	show("truncated")
	s.as(4, func() {
		s.tell("touch", unix.UtimesNanoAt(unix.AT_FDCWD, "f", nil, 0))
		s.tell("set somebody else's", unix.UtimesNanoAt(unix.AT_FDCWD, "f", old, 0))
	})
	demand("symlink", unix.Symlink("f", "l"))
	s.tell("of a symlink", unix.UtimesNanoAt(unix.AT_FDCWD, "l", old, unix.AT_SYMLINK_NOFOLLOW))
}
