package conformance

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	rowCreate   = "create, `O_TMPFILE`, mkdir, symlink, link"
	rowRename   = "rename, `RENAME_NOREPLACE`, `RENAME_EXCHANGE`"
	rowWhiteout = "`RENAME_WHITEOUT`"
	rowUnlink   = "unlink, rmdir"
)

var nameScenes = []scene{
	{name: "names", rows: []string{rowCreate, rowUnlink}, play: func(s *stage) {
		s.file("f", "text", 0o666, 0, 0)
		long := strings.Repeat("n", 255)
		deep := strings.Repeat("./", 2047) + "f"
		for i, name := range []string{long, long[:254] + "\xff", long + "n", "\xff\xfe\x80", "a\nb", " ", "-", "\\", "", ".", "..", "f/", "f/x", "none/x",
			deep, "./" + deep, strings.Repeat("x/", 2048), ".go-fuse-epoll-hack"} {
			fd, err := unix.Open(name, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
			s.tell(fmt.Sprint(i, " open"), err)
			unix.Close(fd)
			var st unix.Stat_t
			s.tell(fmt.Sprint(i, " stat"), unix.Lstat(name, &st), st.Mode&unix.S_IFMT)
			s.tell(fmt.Sprint(i, " link"), unix.Link("f", name))
			s.tell(fmt.Sprint(i, " mkdir"), unix.Mkdir(name, 0o700))
			s.tell(fmt.Sprint(i, " symlink"), unix.Symlink("f", name))
			s.tell(fmt.Sprint(i, " rename"), unix.Rename(name, "moved"))
			s.tell(fmt.Sprint(i, " back"), unix.Rename("moved", name))
			s.tell(fmt.Sprint(i, " unlink"), unix.Unlink(name))
			s.tell(fmt.Sprint(i, " rmdir"), unix.Rmdir(name))
		}
		for _, n := range []int{4095, 4096} {
			s.tell(fmt.Sprint("symlink ", n), unix.Symlink(strings.Repeat("y", n), fmt.Sprint("l", n)))
		}
		b := make([]byte, 5000)
		n, err := unix.Readlink("l4095", b)
		s.tell("readlink", err, n)
		_, err = unix.Open("l4095", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		s.tell("follow", err)
		demand("symlink", unix.Symlink("loop", "loop"))
		_, err = unix.Open("loop", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		s.tell("loop", err)
	}},
	{name: "rename", rows: []string{rowRename, rowWhiteout}, play: playRename, differs: []difference{
		{row: rowWhiteout, key: "whiteout", view: "EINVAL"},
		{row: rowRename, key: "to another view", native: "ok", view: "EXDEV"},
	}},
}

func playRename(s *stage) {
	s.folder("d", 0o777, 0, 0)
	s.folder("d/sub", 0o777, 0, 0)
	s.folder("e", 0o777, 0, 0)
	s.file("a", "a", 0o666, 0, 0)
	s.file("b", "b", 0o666, 0, 0)
	do := func(key, from, to string, flags uint) {
		s.tell(key, unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flags))
	}
	do("noreplace", "a", "b", unix.RENAME_NOREPLACE)
	do("noreplace, free", "a", "c", unix.RENAME_NOREPLACE)
	do("exchange", "c", "b", unix.RENAME_EXCHANGE)
	s.tell("text", nil, s.text("b"), s.text("c"))
	do("exchange with a folder", "c", "d", unix.RENAME_EXCHANGE)
	s.tell("text", nil, s.text("d"))
	do("inside what moved", "c/sub", "e/sub", 0)
	do("exchange with nothing", "b", "none", unix.RENAME_EXCHANGE)
	do("exchange with what is inside", "e", "e/sub", unix.RENAME_EXCHANGE)
	do("both", "b", "z", unix.RENAME_EXCHANGE|unix.RENAME_NOREPLACE)
	do("unknown", "b", "z", 1<<10)
	do("below itself", "e", "e/sub/x", 0)
	do("over a full folder", "c", "e", 0)
	do("over an empty folder", "c", "e/sub", 0)
	do("file over folder", "b", "e", 0)
	do("folder over file", "e", "b", 0)
	do("to itself", "b", "b", 0)
	s.tell("link", unix.Link("b", "b2"))
	do("to another name of it", "b", "b2", 0)
	s.tell("both are there", nil, s.seen("b"), s.seen("b2"))
	do("of nothing", "none", "z", 0)
	err := unix.Renameat2(unix.AT_FDCWD, "b", s.other, "far", 0)
	s.tell("to another view", err)
	do("whiteout", "b2", "z", unix.RENAME_WHITEOUT)
}
