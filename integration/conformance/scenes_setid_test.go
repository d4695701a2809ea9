package conformance

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// changes are all ways to change a file's content or owner.
var changes = []struct {
	name string
	do   func(name string) error
}{
	{"write", written(func(fd int) error { return second(unix.Write(fd, []byte("x"))) })},
	{"append", func(name string) error {
		fd, err := unix.Open(name, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return second(unix.Write(fd, []byte("x")))
	}},
	{"truncate", func(name string) error { return unix.Truncate(name, 1) }},
	{"ftruncate", written(func(fd int) error { return unix.Ftruncate(fd, 2) })},
	{"O_TRUNC", func(name string) error {
		fd, err := unix.Open(name, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
		unix.Close(fd)
		return err
	}},
	{"fallocate", written(func(fd int) error { return unix.Fallocate(fd, 0, 0, 8192) })},
	{"copy_file_range", written(func(fd int) error {
		from, err := unix.Open("source", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(from)
		return second(unix.CopyFileRange(from, nil, fd, nil, 5, 0))
	})},
	{"splice", written(func(fd int) error {
		var p [2]int
		demand("pipe", unix.Pipe2(p[:], unix.O_CLOEXEC))
		defer unix.Close(p[0])
		defer unix.Close(p[1])
		_, _ = unix.Write(p[1], []byte("spliced"))
		_, err := unix.Splice(p[0], nil, fd, nil, 7, 0)
		return err
	})},
	{"mapping", written(func(fd int) error {
		mem, err := unix.Mmap(fd, 0, 4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		mem[0] = 'm'
		_ = unix.Msync(mem, unix.MS_SYNC)
		return unix.Munmap(mem)
	})},
	{"chown", func(name string) error { return unix.Chown(name, -1, 3000) }},
	{"chown to nobody", func(name string) error { return unix.Chown(name, -1, -1) }},
	{"utimes", func(name string) error { return unix.UtimesNanoAt(unix.AT_FDCWD, name, nil, 0) }},
	{"setxattr", func(name string) error { return unix.Setxattr(name, "user.a", []byte("x"), 0) }},
}

func second[T any](_ T, err error) error { return err }

// written does something on a file that was opened for reading and writing.
func written(do func(fd int) error) func(name string) error {
	return func(name string) error {
		fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return do(fd)
	}
}

var setIDScenes = []scene{
	{name: "set-id", rows: []string{"read, write, seek for data and holes", rowChange, "fallocate", "copy_file_range",
		rowKeeps, rowMapped}, play: func(s *stage) {
		s.file("source", "source", 0o644, 0, 0)
		for _, who := range []int{0, 1, 2, 4, 5} {
			for _, c := range changes {
				s.file("f", "text", 0o6777, 1002, 2000)
				demand("capability", unix.Setxattr("f", "security.capability", capability, 0))
				var err error
				s.as(who, func() { err = c.do("f") })
				s.tell(fmt.Sprint(who, " ", c.name), err, s.seen("f"))
				s.file("f", "text", 0o6777, 1002, 2000)
				s.as(who, func() { err = c.do("f") })
				s.tell(fmt.Sprint(who, " ", c.name, ", no capability"), err, s.seen("f"))
				s.file("f", "text", 0o777, 1002, 2000)
				demand("capability", unix.Setxattr("f", "security.capability", capability, 0))
				s.as(who, func() { err = c.do("f") })
				s.tell(fmt.Sprint(who, " ", c.name, ", capability alone"), err, s.seen("f"))
			}
		}
	}, differs: []difference{
		{row: rowKeeps, key: "0 (write|append|fallocate|copy_file_range|splice)(, no capability)?", native: "ok 106777", view: "ok 100777"},
		{row: rowStrip, key: ". chown to nobody.*", native: "EPERM", view: "ok", rare: true}, // a close is told with delay
		{row: rowMapped, key: ". mapping.*", native: "ok 10", view: "ok 10", kinds: throughServer},
	}},
	{name: "chown-while-written", rows: []string{rowStrip}, play: func(s *stage) {
		demand("make", unix.Mknod("f", unix.S_IFREG, 0)) // nobody has ever opened it
		demand("chmod", unix.Chmod("f", 0o4755))
		s.as(1, func() { s.tell("nobody writes", unix.Chown("f", -1, -1), s.seen("f")) })
		fd := s.open("f", unix.O_RDWR)
		defer unix.Close(fd)
		s.as(1, func() { s.tell("somebody writes", unix.Chown("f", -1, -1)) })
		s.file("plain", "text", 0o644, 0, 0)
		s.folder("d", 0o2755, 0, 0)
		s.as(1, func() { s.tell("folder", unix.Chown("d", -1, -1), s.seen("d")) })
		s.as(1, func() { s.tell("plain", unix.Chown("plain", -1, -1)) })
	}, differs: []difference{{row: rowStrip, key: "somebody writes", native: "EPERM", view: "ok"}}},
	{name: "set-gid-alone", rows: []string{rowAlone}, play: func(s *stage) {
		for _, who := range []int{1, 4} {
			s.file("f", "text", 0o2666, 1002, 2000)
			s.as(who, func() { s.tell(fmt.Sprint(who, " write"), changes[0].do("f"), s.seen("f")) })
		}
	}, differs: []difference{{row: rowAlone, key: "1 write", native: "ok 102666", view: "ok 100666"}}},
}

const (
	rowKeeps  = "write, fallocate, copy_file_range, splice by a caller with CAP_FSETID"
	rowStrip  = "chown without a new owner, by who doesn't own a set-id file"
	rowMapped = "stores to a mapping of a file with set-id bits or capabilities"
	rowAlone  = "S_ISGID of a file without group execution, at a write"
	rowChange = "truncate, chmod, chown, utimes"
	rowOpen   = "open, execute"
)
