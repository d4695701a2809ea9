package conformance

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const rowFcntl = "fcntl locks"

var lockScenes = []scene{
	{name: "locks", rows: []string{rowFcntl, "flock"}, play: playLocks},
}

// playLocks has another process lock the same file, and run another program meanwhile.
func playLocks(s *stage) {
	s.file("f", "0123456789", 0o666, 0, 0)
	fd := s.open("f", unix.O_RDWR)
	set := func(key string, fd, cmd int, typ int16, start, size int64) {
		l := unix.Flock_t{Type: typ, Start: start, Len: size}
		s.tell(key, unix.FcntlFlock(uintptr(fd), cmd, &l))
	}
	set("lock", fd, unix.F_SETLK, unix.F_WRLCK, 0, 4)
	cmd, in, out := lockChild()
	ask := func(request string) {
		fmt.Fprintln(in, request)
		line, err := out.ReadString('\n')
		s.tell("other: "+request, err, strings.TrimSpace(strings.ReplaceAll(line, fmt.Sprint(os.Getpid()), "PARENT")))
	}
	ask("get")
	ask("lock 2")
	ask("lock 5")
	ask("flock")
	holder := func(key string) {
		l := unix.Flock_t{Type: unix.F_WRLCK}
		err := unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &l)
		s.tell(key, err, l.Type, l.Start, l.Len, int(l.Pid) == cmd.Process.Pid)
	}
	holder("holder")
	s.tell("flock", unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB))
	ask("exec")
	holder("after exec")
	ask("unlock")
	holder("after unlock")
	ask("lock 5")
	second := s.open("f", unix.O_RDWR)
	unix.Close(second) // of any descriptor ends all locks
	ask("lock 0")
	in.Close()
	s.tell("end", cmd.Wait())
	holder("after the end")
	set("all", fd, unix.F_SETLK, unix.F_WRLCK, 0, 0)
	set("shared", fd, unix.F_SETLK, unix.F_RDLCK, 2, 2)
	other := s.open("f", unix.O_RDWR)
	set("own description", other, unix.F_OFD_SETLK, unix.F_WRLCK, 0, 1)
	set("own description, shared", other, unix.F_OFD_SETLK, unix.F_RDLCK, 2, 1)
	unix.Close(other)
	unix.Close(fd)
}

const lockEnv = "KLW_CONFORMANCE_LOCKS"

// lockChild starts a process that locks the file f when asked.
func lockChild() (*exec.Cmd, io.WriteCloser, *bufio.Reader) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{lockEnv + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	demand("a pipe", err)
	out, err := cmd.StdoutPipe()
	demand("a pipe", err)
	demand("start", cmd.Start())
	return cmd, in, bufio.NewReader(out)
}

// lockMain is what the other process does.
func lockMain() {
	fd := 9 // kept over exec
	if os.Getenv(lockEnv) == "1" {
		f, err := unix.Open("f", unix.O_RDWR|unix.O_CLOEXEC, 0)
		demand("open f", err)
		demand("dup", unix.Dup3(f, fd, 0))
	} else {
		fmt.Println("running")
	}
	one := make([]byte, 1)
	for {
		var line []byte
		for len(line) == 0 || line[len(line)-1] != '\n' { // nothing may be left in a buffer at exec
			if n, _ := os.Stdin.Read(one); n == 0 {
				os.Exit(0)
			}
			line = append(line, one[0])
		}
		var what string
		var start int64
		fmt.Sscan(string(line), &what, &start)
		l := unix.Flock_t{Type: unix.F_WRLCK, Start: start, Len: 1}
		switch what {
		case "get":
			err := unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &l)
			fmt.Println(done(err, l.Type, l.Start, l.Len, l.Pid))
		case "lock":
			fmt.Println(done(unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &l)))
		case "flock":
			fmt.Println(done(unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)))
		case "unlock":
			l.Type, l.Start, l.Len = unix.F_UNLCK, 0, 0
			fmt.Println(done(unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &l)))
		case "exec":
			demand("exec", syscall.Exec("/proc/self/exe", []string{"locks"}, []string{lockEnv + "=2"}))
		}
	}
}
