package conformance

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

const rowSpecial = "FIFOs, sockets"

var specialScenes = []scene{
	{name: "fifo", rows: []string{rowSpecial}, play: playFIFO, differs: []difference{
		{row: rowSpecial, key: "host", native: "ok", view: "ENXIO"},
	}},
	{name: "sockets", rows: []string{rowSpecial}, play: playSockets, differs: []difference{
		{row: rowSpecial, key: "from the host", native: "ok", view: "ECONNREFUSED"},
	}},
}

// playFIFO uses both ends of a FIFO.
func playFIFO(s *stage) {
	s.tell("mkfifo", unix.Mkfifo("p", 0o600), s.seen("p"))
	_, err := unix.Open("p", unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	s.tell("nobody reads", err)
	s.as(1, func() {
		_, err := unix.Open("p", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		s.tell("not theirs", err)
	})
	s.tell("chmod", unix.Chmod("p", 0o666))
	read := s.open("p", unix.O_RDONLY|unix.O_NONBLOCK)
	defer unix.Close(read)
	host, err := unix.Openat(s.host, "p", unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	s.tell("host", err)
	unix.Close(host)
	b := make([]byte, 20)
	n, err := unix.Read(read, b)
	s.tell("nobody writes", err, n)
	write := -1
	s.as(1, func() { write = s.open("p", unix.O_WRONLY) })
	n, err = unix.Read(read, b)
	s.tell("nothing yet", err, n)
	n, err = unix.Write(write, []byte("through"))
	s.tell("write", err, n)
	n, err = unix.Read(read, b)
	s.tell("read", err, string(b[:max(n, 0)]))
	s.tell("unlink", unix.Unlink("p"))
	n, err = unix.Write(write, []byte("still"))
	s.tell("write", err, n)
	unix.Close(write)
	n, err = unix.Read(read, b)
	s.tell("read", err, string(b[:max(n, 0)]))
	n, err = unix.Read(read, b)
	s.tell("end", err, n)
	done := make(chan string)
	s.tell("mkfifo", unix.Mkfifo("q", 0o666))
	go s.w.on(1, func() { // waits for the other side
		fd, err := unix.Openat(s.dir, "q", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		buf := make([]byte, 10)
		n, _ := unix.Read(fd, buf)
		unix.Close(fd)
		done <- fmt.Sprint(err, string(buf[:max(n, 0)]))
	})
	fd := s.open("q", unix.O_WRONLY)
	n, err = unix.Write(fd, []byte("met"))
	unix.Close(fd)
	s.tell("met", err, n, <-done)
}

func playSockets(s *stage) {
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET} {
		name := fmt.Sprint("sock", kind)
		server, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		demand("socket", err)
		s.tell("bind", unix.Bind(server, &unix.SockaddrUnix{Name: name}), s.seen(name))
		s.tell("bind again", unix.Bind(server, &unix.SockaddrUnix{Name: name}))
		s.connect("nobody listens", name, kind)
		if kind != unix.SOCK_DGRAM {
			s.tell("listen", unix.Listen(server, 5))
		}
		client := s.connect("connect", name, kind)
		_, err = unix.Write(client, []byte("hello"))
		s.tell("write", err)
		from := server
		if kind != unix.SOCK_DGRAM {
			from, _, err = unix.Accept4(server, unix.SOCK_CLOEXEC)
			s.tell("accept", err)
		}
		b := make([]byte, 10)
		n, err := unix.Read(from, b)
		s.tell("read", err, string(b[:max(n, 0)]))
		s.as(1, func() { unix.Close(s.connect("others", name, kind)) })
		s.tell("chmod", unix.Chmod(name, 0o777))
		s.as(1, func() { unix.Close(s.connect("others", name, kind)) })
		demand("fchdir", unix.Fchdir(s.host))
		unix.Close(s.connect("from the host", name, kind))
		demand("fchdir", unix.Fchdir(s.dir))
		s.tell("rename", unix.Rename(name, name+"moved"))
		unix.Close(s.connect("moved", name+"moved", kind))
		s.tell("link", unix.Link(name+"moved", name))
		unix.Close(s.connect("linked", name, kind))
		_, err = unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		s.tell("open", err)
		s.tell("unlink", unix.Unlink(name))
		unix.Close(client)
		unix.Close(server)
		s.connect("nobody is there", name+"moved", kind)
	}
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	demand("socket", err)
	s.file("file", "text", 0o666, 0, 0)
	s.tell("to a file", unix.Connect(sock, &unix.SockaddrUnix{Name: "file"}))
	unix.Close(sock)
}

// connect connects a socket.
func (s *stage) connect(key, name string, kind int) int {
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	demand("socket", err)
	s.tell(key, unix.Connect(fd, &unix.SockaddrUnix{Name: name}))
	return fd
}

const rowInotify = "inotify"

var watchScenes = []scene{
	{name: "inotify", rows: []string{rowInotify}, play: playInotify, differs: []difference{
		{row: rowInotify, key: "by the host", view: "ok"},
	}},
}

func playInotify(s *stage) {
	in, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	demand("inotify", err)
	defer unix.Close(in)
	s.folder("d", 0o777, 0, 0)
	s.file("f", "text", 0o666, 0, 0)
	_, err = unix.InotifyAddWatch(in, "d", unix.IN_ALL_EVENTS)
	s.tell("watch a folder", err)
	_, err = unix.InotifyAddWatch(in, "f", unix.IN_ALL_EVENTS)
	s.tell("watch a file", err)
	events := func(key string) { s.tell(key, nil, strings.Join(readEvents(in), " ")) }
	fd := s.open("d/new", unix.O_CREAT|unix.O_RDWR)
	events("create")
	_, _ = unix.Write(fd, []byte("text"))
	events("write")
	_, _ = unix.Pread(fd, make([]byte, 4), 0)
	events("read")
	_ = unix.Ftruncate(fd, 1)
	events("truncate")
	_ = unix.Fallocate(fd, 0, 0, 4096)
	events("fallocate")
	unix.Close(fd)
	events("close")
	_ = unix.Chmod("d/new", 0o600)
	events("chmod")
	_ = unix.Setxattr("d/new", "user.a", []byte("x"), 0)
	events("setxattr")
	_ = unix.Rename("d/new", "d/moved")
	events("rename")
	_ = unix.Link("d/moved", "d/link")
	events("link")
	_ = unix.Mkdir("d/sub", 0o700)
	_ = unix.Symlink("x", "d/l")
	_ = unix.Mkfifo("d/p", 0o600)
	events("mkdir, symlink, mkfifo")
	_ = unix.Rename("d/moved", "away")
	events("moved out")
	_ = unix.Unlink("d/link")
	_ = unix.Rmdir("d/sub")
	events("unlink, rmdir")
	_ = unix.Truncate("f", 2)
	events("the file")
	host, err := unix.Openat(s.host, "d/foreign", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	demand("make on the host", err)
	unix.Close(host)
	events("by the host")
	_ = unix.Unlink("f")
	events("the file goes")
}

// readEvents gives what has happened.
func readEvents(in int) (list []string) {
	buf := make([]byte, 1<<14)
	n, _ := unix.Read(in, buf)
	for b := buf[:max(n, 0)]; len(b) > 0; {
		wd, mask, size := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[12:])
		name, _, _ := strings.Cut(string(b[16:16+size]), "\x00")
		list = append(list, fmt.Sprintf("%d:%x:%s", wd, mask, name))
		b = b[16+size:]
	}
	return list
}
