package conformance

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

var openScenes = []scene{
	{name: "unlinked", rows: []string{rowUnlink, rowCreate}, play: playUnlinked},
	{name: "tmpfile", rows: []string{rowCreate}, play: func(s *stage) {
		fd, err := unix.Open(".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o2640)
		s.tell("open", err)
		defer unix.Close(fd)
		_, err = unix.Write(fd, []byte("nameless"))
		s.tell("write", err)
		var st unix.Stat_t
		s.tell("stat", unix.Fstat(fd, &st), describeMode(st))
		s.tell("setxattr", unix.Fsetxattr(fd, "user.a", []byte("x"), 0))
		s.tell("chmod", unix.Fchmod(fd, 0o600))
		s.tell("link", unix.Linkat(s.w.proc, strconv.Itoa(fd), unix.AT_FDCWD, "named", unix.AT_SYMLINK_FOLLOW), s.seen("named"), s.text("named"))
		s.tell("again", unix.Linkat(s.w.proc, strconv.Itoa(fd), unix.AT_FDCWD, "named2", unix.AT_SYMLINK_FOLLOW), s.seen("named2"))
		s.tell("taken", unix.Linkat(fd, "", unix.AT_FDCWD, "named", unix.AT_EMPTY_PATH))
		_, err = unix.Open(".", unix.O_TMPFILE|unix.O_RDONLY|unix.O_CLOEXEC, 0o600)
		s.tell("to read", err)
		s.as(1, func() {
			fd, err := unix.Open(".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_EXCL|unix.O_CLOEXEC, 0o666)
			s.tell("exclusive", err)
			defer unix.Close(fd)
			s.tell("link", unix.Linkat(s.w.proc, strconv.Itoa(fd), unix.AT_FDCWD, "never", unix.AT_SYMLINK_FOLLOW))
			s.tell("stat", unix.Fstat(fd, &st), describeMode(st))
			fd2, err := unix.Open(".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o666)
			s.tell("open", err)
			defer unix.Close(fd2)
			s.tell("link as a user", unix.Linkat(s.w.proc, strconv.Itoa(fd2), unix.AT_FDCWD, "mine", unix.AT_SYMLINK_FOLLOW), s.seen("mine"))
			s.tell("without a right", unix.Linkat(fd2, "", unix.AT_FDCWD, "mine2", unix.AT_EMPTY_PATH))
		})
		s.folder("closed", 0o755, 0, 0)
		s.as(4, func() {
			_, err := unix.Open("closed", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o666)
			s.tell("in a folder of others", err)
		})
	}},
	{name: "o-path", rows: []string{rowOpen}, play: func(s *stage) {
		s.file("f", "text", 0o600, 0, 0)
		demand("symlink", unix.Symlink("f", "l"))
		for _, who := range []int{0, 1} {
			s.as(who, func() {
				fd := s.open("f", unix.O_PATH)
				defer unix.Close(fd)
				var st unix.Stat_t
				s.tell("stat", unix.Fstat(fd, &st), describeMode(st))
				_, err := unix.Read(fd, make([]byte, 1))
				s.tell("read", err)
				s.tell("fchmod", unix.Fchmod(fd, 0o644))
				s.tell("fchown", unix.Fchown(fd, 0, 0))
				s.tell("chown", unix.Fchownat(fd, "", 1002, -1, unix.AT_EMPTY_PATH))
				s.tell("truncate", unix.Ftruncate(fd, 0))
				again, err := unix.Openat(s.w.proc, strconv.Itoa(fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
				s.tell("reopen", err)
				unix.Close(again)
				_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
				s.tell("lease", err)
				s.tell("link", unix.Linkat(fd, "", unix.AT_FDCWD, fmt.Sprint("h", who), unix.AT_EMPTY_PATH))
				l := s.open("l", unix.O_PATH|unix.O_NOFOLLOW)
				defer unix.Close(l)
				b := make([]byte, 10)
				n, err := unix.Readlinkat(l, "", b)
				s.tell("readlink", err, string(b[:max(n, 0)]))
			})
		}
		dir := s.open(".", unix.O_PATH|unix.O_DIRECTORY)
		defer unix.Close(dir)
		fd, err := unix.Openat(dir, "f", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		s.tell("below", err)
		unix.Close(fd)
		s.tell("fchdir", unix.Fchdir(dir))
	}},
}

// playUnlinked goes on with a file and a folder that have lost their names.
func playUnlinked(s *stage) {
	s.file("f", "text", 0o666, 0, 0)
	s.folder("d", 0o777, 0, 0)
	fd, dir := s.open("f", unix.O_RDWR), s.open("d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer unix.Close(fd)
	defer unix.Close(dir)
	path := s.open("f", unix.O_PATH)
	defer unix.Close(path)
	s.tell("unlink", unix.Unlink("f"))
	s.tell("rmdir", unix.Rmdir("d"))
	var st unix.Stat_t
	s.tell("stat", unix.Fstat(fd, &st), describeMode(st))
	s.tell("stat O_PATH", unix.Fstat(path, &st), describeMode(st))
	n, err := unix.Pwrite(fd, []byte("more"), 4)
	s.tell("write", err, n)
	s.tell("truncate", unix.Ftruncate(fd, 6))
	s.tell("chmod", unix.Fchmod(fd, 0o640))
	s.tell("chown", unix.Fchown(fd, 1001, 2000))
	s.tell("setxattr", unix.Fsetxattr(fd, "user.a", []byte("x"), 0))
	s.tell("utimes", unix.UtimesNanoAt(s.w.proc, strconv.Itoa(fd), []unix.Timespec{{Sec: 1}, {Sec: 2}}, 0))
	s.tell("fallocate", unix.Fallocate(fd, 0, 0, 100))
	s.tell("sync", unix.Fsync(fd))
	again, err := unix.Openat(s.w.proc, strconv.Itoa(fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
	s.tell("reopen", err)
	b := make([]byte, 10)
	n, err = unix.Pread(again, b, 0)
	s.tell("read", err, string(b[:max(n, 0)]))
	unix.Close(again)
	s.tell("stat", unix.Fstat(fd, &st), describeMode(st), st.Size, st.Mtim.Sec > 1)
	s.tell("link back", unix.Linkat(s.w.proc, strconv.Itoa(fd), unix.AT_FDCWD, "f", unix.AT_SYMLINK_FOLLOW))
	s.tell("link back by descriptor", unix.Linkat(fd, "", unix.AT_FDCWD, "f", unix.AT_EMPTY_PATH))
	s.file("f", "another", 0o666, 0, 0)
	n, err = unix.Pread(fd, b, 0)
	s.tell("still the old", err, string(b[:max(n, 0)]), s.text("f"))
	_, err = unix.Openat(dir, "x", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	s.tell("create in the folder", err)
	s.tell("mkdir", unix.Mkdirat(dir, "x", 0o700))
	n, err = unix.Getdents(dir, make([]byte, 1000))
	s.tell("list", err, n)
	s.tell("stat", unix.Fstat(dir, &st), st.Nlink)
	s.tell("chmod", unix.Fchmod(dir, 0o700))
	s.tell("fchdir", unix.Fchdir(dir))
	_, err = unix.Open("..", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	s.tell("parent", err)
	demand("fchdir", unix.Fchdir(s.dir))
}
