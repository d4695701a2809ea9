package conformance

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	rowCopy   = "copy_file_range"
	rowData   = "read, write, seek for data and holes"
	rowDirect = "O_DIRECT"
	rowHoles  = "SEEK_HOLE on tmpfs after reading a mapping"
)

var rangeScenes = []scene{
	{name: "direct", rows: []string{rowDirect, rowOpen}, play: func(s *stage) {
		s.file("f", string(make([]byte, 8192)), 0o666, 0, 0)
		fd := s.open("f", unix.O_RDWR|unix.O_DIRECT)
		defer unix.Close(fd)
		b := aligned(4096)
		copy(b, "direct")
		n, err := unix.Pwrite(fd, b, 4096)
		s.tell("write", err, n)
		n, err = unix.Pread(fd, b, 4096)
		s.tell("read", err, n, string(b[:6]))
		n, err = unix.Pread(fd, b, 8192)
		s.tell("read at the end", err, n)
		_, err = unix.Pread(fd, b, 1)
		s.tell("unaligned offset", err)
		_, err = unix.Pwrite(fd, make([]byte, 4097)[1:100], 0)
		s.tell("unaligned buffer", err)
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		s.tell("flags", err, flags&unix.O_DIRECT != 0)
		s.tell("buffered", nil, digest([]byte(s.text("f"))))
	}, differs: []difference{
		{row: rowDirect, key: "unaligned .*", native: "EINVAL", view: "ok", kinds: throughServer},
	}},
	{name: "copy", rows: []string{rowCopy}, play: playCopy, differs: []difference{
		{row: rowCopy, key: "(to|from) host", native: "ok", view: "EXDEV"},
	}},
	{name: "holes", rows: []string{rowData, "fallocate", rowHoles}, play: playHoles, differs: []difference{
		{row: "fallocate", key: "collapse|insert|unshare", view: "ENOTSUP"},
	}},
	{name: "large", rows: []string{rowData}, play: playLarge},
	{name: "sendfile", rows: []string{rowData}, play: func(s *stage) {
		s.file("a", "0123456789", 0o666, 0, 0)
		s.file("b", "", 0o666, 0, 0)
		a, b := s.open("a", unix.O_RDONLY), s.open("b", unix.O_RDWR)
		defer unix.Close(a)
		defer unix.Close(b)
		off := int64(3)
		n, err := unix.Sendfile(b, a, &off, 100)
		s.tell("sendfile", err, n, off, s.text("b"))
		var p [2]int
		demand("pipe", unix.Pipe2(p[:], unix.O_CLOEXEC))
		defer unix.Close(p[0])
		defer unix.Close(p[1])
		m, err := unix.Splice(a, nil, p[1], nil, 6, 0)
		s.tell("splice in", err, m)
		at := int64(20)
		m, err = unix.Splice(p[0], nil, b, &at, 6, 0)
		s.tell("splice out", err, m, at, fmt.Sprintf("%q", s.text("b")))
		sv, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		demand("socketpair", err)
		defer unix.Close(sv[0])
		defer unix.Close(sv[1])
		off = 0
		n, err = unix.Sendfile(sv[0], a, &off, 100)
		buf := make([]byte, 100)
		k, _ := unix.Read(sv[1], buf)
		s.tell("to a socket", err, n, string(buf[:max(k, 0)]))
	}},
}

func playCopy(s *stage) {
	s.file("a", "0123456789", 0o666, 0, 0)
	s.file("b", "", 0o666, 0, 0)
	a, b := s.open("a", unix.O_RDWR), s.open("b", unix.O_RDWR)
	defer unix.Close(a)
	defer unix.Close(b)
	copies := func(key string, from, to int, x, y int64, size, flags int) {
		n, err := unix.CopyFileRange(from, &x, to, &y, size, flags)
		s.tell(key, err, n, x, y)
	}
	copies("within", a, b, 2, 5, 100, 0)
	s.tell("text", nil, fmt.Sprintf("%q", s.text("b")))
	copies("one file", a, a, 0, 20, 4, 0)
	copies("overlapping", a, a, 0, 2, 4, 0)
	copies("behind the end", a, b, 1000, 0, 4, 0)
	copies("flags", a, b, 0, 0, 4, 1)
	copies("to a directory", a, s.dir, 0, 0, 4, 0)
	read, appending := s.open("b", unix.O_RDONLY), s.open("b", unix.O_WRONLY|unix.O_APPEND)
	defer unix.Close(read)
	defer unix.Close(appending)
	copies("not writable", a, read, 0, 0, 4, 0)
	copies("appending", a, appending, 0, 0, 4, 0)
	for _, to := range []struct {
		key string
		dir int
	}{{"other view", s.other}, {"host", s.host}} {
		fd, err := unix.Openat(to.dir, "far", unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
		s.tell("open in "+to.key, err)
		copies("to "+to.key, a, fd, 0, 0, 4, 0)
		off := int64(0)
		n, err := unix.Sendfile(fd, a, &off, 5)
		s.tell("sendfile to "+to.key, err, n, off)
		buf := make([]byte, 10)
		n, err = unix.Pread(fd, buf, 0)
		s.tell("text in "+to.key, err, fmt.Sprintf("%q", buf[:max(n, 0)]))
		copies("from "+to.key, fd, b, 0, 0, 3, 0)
		unix.Close(fd)
	}
}

func playHoles(s *stage) {
	s.file("f", "", 0o666, 0, 0)
	fd := s.open("f", unix.O_RDWR)
	defer unix.Close(fd)
	const m = 1 << 20
	for _, at := range []int64{0, m, 3 * m} {
		_, err := unix.Pwrite(fd, make([]byte, 65536), at)
		s.tell("write", err)
	}
	look := func(key string) {
		s.tell(key+" sync", unix.Fsync(fd))
		for _, at := range []int64{0, 65536, m / 2, m, 2 * m, 3 * m, 3*m + 65535, 3*m + 65536, 9 * m} {
			d, err := unix.Seek(fd, at, unix.SEEK_DATA)
			s.tell(fmt.Sprint(key, " data ", at), err, d)
			h, err := unix.Seek(fd, at, unix.SEEK_HOLE)
			s.tell(fmt.Sprint(key, " hole ", at), err, h)
		}
		var st unix.Stat_t
		s.tell(key+" size", unix.Fstat(fd, &st), st.Size, st.Blocks*512/65536)
	}
	look("written")
	for _, c := range []struct {
		key       string
		mode      uint32
		off, size int64
	}{
		{"punch", unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, m, 65536}, {"punch alone", unix.FALLOC_FL_PUNCH_HOLE, 0, 4096},
		{"extend", 0, 4 * m, 65536}, {"keep", unix.FALLOC_FL_KEEP_SIZE, 5 * m, 65536},
		{"zero", unix.FALLOC_FL_ZERO_RANGE, 0, 4096}, {"zero, keep", unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE, 6 * m, 4096},
		{"collapse", unix.FALLOC_FL_COLLAPSE_RANGE, 0, 65536}, {"insert", unix.FALLOC_FL_INSERT_RANGE, 0, 65536},
		{"unshare", unix.FALLOC_FL_UNSHARE_RANGE, 0, 65536}, {"nothing", 0, 0, 0}, {"negative", 0, -1, 1},
	} {
		s.tell(c.key, unix.Fallocate(fd, c.mode, c.off, c.size))
	}
	var st unix.Stat_t
	s.tell("size", unix.Fstat(fd, &st), st.Size)
	read := s.open("f", unix.O_RDONLY)
	defer unix.Close(read)
	s.tell("not writable", unix.Fallocate(read, 0, 0, 1))
}

func playLarge(s *stage) {
	s.file("f", "", 0o666, 0, 0)
	fd := s.open("f", unix.O_RDWR)
	defer unix.Close(fd)
	n, err := unix.Pwrite(fd, []byte("far away"), 5<<30)
	s.tell("write", err, n)
	size := func(key string) {
		var st unix.Stat_t
		s.tell(key, unix.Stat("f", &st), st.Size, st.Blocks < 1000)
	}
	size("size")
	b := make([]byte, 20)
	n, err = unix.Pread(fd, b, 5<<30-2)
	s.tell("read", err, n, fmt.Sprintf("%q", b[:max(n, 0)]))
	at, err := unix.Seek(fd, -3, unix.SEEK_END)
	s.tell("seek", err, at)
	n, err = unix.Read(fd, b)
	s.tell("read there", err, string(b[:max(n, 0)]))
	at, err = unix.Seek(fd, 1<<20, unix.SEEK_DATA)
	s.tell("data", err, at)
	mem, err := unix.Mmap(fd, 5<<30, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	s.tell("map", err)
	copy(mem, "FAR")
	s.tell("unmap", unix.Munmap(mem))
	s.tell("truncate", unix.Truncate("f", 5<<30+5))
	n, err = unix.Pread(fd, b, 5<<30)
	s.tell("read", err, string(b[:max(n, 0)]))
	size("cut")
	s.tell("truncate", unix.Ftruncate(fd, 4<<30+1))
	add := s.open("f", unix.O_WRONLY|unix.O_APPEND)
	defer unix.Close(add)
	n, err = unix.Write(add, []byte("end"))
	s.tell("append", err, n)
	size("appended")
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: 5 << 30, Len: 1}
	s.tell("lock", unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &l))
}
