package conformance

import (
	"fmt"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

var mapScenes = []scene{
	{name: "mappings", rows: []string{rowOpen, rowData}, play: func(s *stage) {
		s.file("f", "0123456789", 0o666, 0, 0)
		a, b := s.open("f", unix.O_RDWR), s.open("f", unix.O_RDWR)
		defer unix.Close(a)
		defer unix.Close(b)
		shared, err := unix.Mmap(a, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		s.tell("shared", err)
		other, err := unix.Mmap(b, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
		s.tell("other", err)
		private, err := unix.Mmap(a, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
		s.tell("private", err)
		look := func(key string) {
			buf := make([]byte, 20)
			n, err := unix.Pread(b, buf, 0)
			s.tell(key, err, string(buf[:max(n, 0)]), string(shared[:10]), string(other[:10]), string(private[:10]))
		}
		look("before")
		copy(shared, "SHARED")
		look("stored")
		_, err = unix.Pwrite(b, []byte("wr"), 0)
		s.tell("write", err)
		look("written")
		copy(private, "PRIV")
		_, err = unix.Pwrite(a, []byte("XY"), 8)
		s.tell("write", err)
		look("private")
		s.tell("msync", unix.Msync(shared, unix.MS_SYNC))
		buf := make([]byte, 10)
		fd, err := unix.Openat(s.host, "f", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		n, _ := unix.Read(fd, buf)
		s.tell("host", err, string(buf[:max(n, 0)]))
		unix.Close(fd)
		s.tell("unlink", unix.Unlink("f"))
		copy(shared, "gone")
		look("unlinked")
		s.tell("truncate", unix.Ftruncate(a, 2))
		s.tell("cut", nil, fmt.Sprintf("%q", shared[:4]))
		s.tell("truncate", unix.Ftruncate(a, 0))
		func() {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			defer func() { s.tell("behind the end", nil, recover() != nil) }()
			shared[0]++
		}()
		for _, m := range [][]byte{shared, other, private} {
			s.tell("unmap", unix.Munmap(m))
		}
		read := s.open("../mappings", unix.O_RDONLY)
		_, err = unix.Mmap(read, 0, 1, unix.PROT_READ, unix.MAP_SHARED)
		s.tell("a directory", err)
		unix.Close(read)
	}},
	{name: "map-rights", rows: []string{rowOpen}, play: func(s *stage) {
		s.file("f", "0123456789", 0o666, 0, 0)
		read, write := s.open("f", unix.O_RDONLY), s.open("f", unix.O_WRONLY)
		defer unix.Close(read)
		defer unix.Close(write)
		for _, c := range []struct {
			key   string
			fd    int
			prot  int
			flags int
		}{
			{"store", read, unix.PROT_WRITE, unix.MAP_SHARED}, {"store privately", read, unix.PROT_WRITE, unix.MAP_PRIVATE},
			{"write only", write, unix.PROT_WRITE, unix.MAP_SHARED}, {"execute", read, unix.PROT_EXEC, unix.MAP_PRIVATE},
		} {
			mem, err := unix.Mmap(c.fd, 0, 10, c.prot, c.flags)
			s.tell(c.key, err)
			if err == nil {
				_ = unix.Munmap(mem)
			}
		}
		mem, err := unix.Mmap(read, 0, 10, unix.PROT_READ, unix.MAP_SHARED)
		s.tell("map", err)
		s.tell("mprotect", unix.Mprotect(mem, unix.PROT_READ|unix.PROT_WRITE))
		_ = unix.Munmap(mem)
	}},
}
