package conformance

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const rowLease = "leases (F_SETLEASE)"

var leaseScenes = []scene{
	{name: "lease", rows: []string{rowLease, rowOpen}, play: func(s *stage) {
		s.file("f", "text", 0o666, 0, 0)
		held := func(fd int) {
			kind, err := unix.FcntlInt(uintptr(fd), unix.F_GETLEASE, 0)
			s.tell("held", err, kind)
		}
		lease := func(key string, fd, kind int) {
			_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, kind)
			s.tell(key, err)
			held(fd)
		}
		fd := s.open("f", unix.O_RDONLY)
		lease("to read", fd, unix.F_RDLCK)
		second, err := unix.Open("f", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		s.tell("read beside", err)
		unix.Close(second)
		second, err = unix.Open("f", unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		s.tell("write beside", err)
		unix.Close(second)
		lease("given back", fd, unix.F_UNLCK)
		s.as(4, func() { // the description is root's, and so is the file
			_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
			s.tell("by somebody else", err)
		})
		unix.Close(fd)
		fd = s.open("f", unix.O_RDWR)
		defer unix.Close(fd)
		lease("to read where somebody may write", fd, unix.F_RDLCK)
		lease("to write", fd, unix.F_WRLCK)
		second, err = unix.Open("f", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		s.tell("read beside", err)
		unix.Close(second)
		lease("given back", fd, unix.F_UNLCK)
		lease("to write", fd, unix.F_WRLCK)
		second, err = unix.Openat(s.host, "f", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		s.tell("host reads", err)
		unix.Close(second)
	}, differs: []difference{{row: rowLease, key: "host reads", native: "EAGAIN", view: "ok"}}},
}

const (
	rowList    = "list a directory"
	rowReadDir = "read of a directory"
)

var dirScenes = []scene{
	{name: "seekdir", rows: []string{rowList}, play: playSeekdir},
	{name: "listing", rows: []string{rowList, rowStat, rowReadDir}, play: func(s *stage) {
		s.folder("many", 0o777, 0, 0)
		for i := range 1000 {
			name := fmt.Sprint("many/", i)
			demand("make", unix.Mknod(name, unix.S_IFREG|uint32(i%8)<<3|0o600, 0))
			demand("chown", unix.Chown(name, i, 0))
		}
		dir := s.open("many", unix.O_RDONLY|unix.O_DIRECTORY)
		defer unix.Close(dir)
		for range 2 { // the second with what the first has told the kernel
			sum, count := 0, 0
			s.walk(dir, 1<<15, func(name string, _ int64) bool {
				var st unix.Stat_t
				if err := unix.Fstatat(dir, name, &st, 0); err != nil {
					s.tell(name, err)
				}
				if name != "." && name != ".." {
					sum, count = sum+int(st.Uid)*int(st.Mode), count+1
				}
				return true
			})
			s.tell("listed", nil, count, sum)
		}
		_, err := unix.Pread(dir, make([]byte, 1), 0)
		s.tell("pread", err)
		s.folder("empty", 0o777, 0, 0)
		empty := s.open("empty", unix.O_RDONLY|unix.O_DIRECTORY)
		defer unix.Close(empty)
		s.walk(empty, 4096, func(string, int64) bool { return true })
		_, err = unix.Read(empty, make([]byte, 1000))
		s.tell("read", err)
		_, err = unix.Seek(dir, 0, unix.SEEK_SET)
		s.tell("rewind", err)
		buf := make([]byte, 16)
		_, err = unix.Getdents(dir, buf)
		s.tell("no room", err)
	}, differs: []difference{{row: rowReadDir, key: "read", native: "EINVAL", view: "EISDIR"}}},
}

// walk lists a directory in pieces, until f has enough.
func (s *stage) walk(dir, size int, f func(name string, next int64) bool) {
	if _, err := unix.Seek(dir, 0, unix.SEEK_SET); err != nil {
		s.tell("rewind", err)
	}
	buf := make([]byte, size)
	for {
		n, err := unix.Getdents(dir, buf)
		if err != nil {
			s.tell("getdents", err)
		}
		if n <= 0 {
			return
		}
		for b := buf[:n]; len(b) > 0; {
			size := int(b[16]) | int(b[17])<<8
			names, next := entries(b[:size])
			if !f(names[0][2:], next) {
				return
			}
			b = b[size:]
		}
	}
}

// playSeekdir lists a folder while entries come and go: what is there all the time is seen once, and places stay.
func playSeekdir(s *stage) {
	s.folder("d", 0o777, 0, 0)
	for i := range 300 {
		demand("make", unix.Mknod(fmt.Sprint("d/", i), unix.S_IFREG|0o600, 0))
	}
	dir := s.open("d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer unix.Close(dir)
	seen, count := map[string]int{}, 0
	var place int64
	var behind []string
	s.walk(dir, 512, func(name string, next int64) bool {
		seen[name]++
		if count++; count == 100 {
			place = next
			for i := range 300 {
				switch i % 3 {
				case 0:
					demand("unlink", unix.Unlink(fmt.Sprint("d/", i)))
				case 1:
					demand("make", unix.Mknod(fmt.Sprint("d/new", i), unix.S_IFREG|0o600, 0))
				}
			}
		}
		var n int
		if _, err := fmt.Sscan(name, &n); err == nil && count > 100 && n%3 == 2 {
			behind = append(behind, name)
		}
		return true
	})
	missing, twice := 0, 0
	for i := range 300 {
		n := seen[fmt.Sprint(i)]
		if i%3 != 0 && n == 0 {
			missing++
		}
		if n > 1 {
			twice++
		}
	}
	s.tell("seen", nil, "missing", missing, "twice", twice)
	_, err := unix.Seek(dir, place, unix.SEEK_SET)
	s.tell("seekdir", err)
	again, buf := map[string]bool{}, make([]byte, 4096)
	for {
		n, err := unix.Getdents(dir, buf)
		if n <= 0 || err != nil {
			s.tell("end", err, n)
			break
		}
		names, _ := entries(buf[:n])
		for _, name := range names {
			again[name[2:]] = true
		}
	}
	lost := 0
	for _, name := range behind {
		if !again[name] {
			lost++
		}
	}
	s.tell("from there again", nil, "lost", lost)
	total := 0
	s.walk(dir, 1024, func(string, int64) bool { total++; return true })
	s.tell("rewound", nil, total)
}
