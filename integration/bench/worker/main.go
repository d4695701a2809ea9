// Command worker does one kind of work many times and prints the nanoseconds that one took. It runs inside a guarded
// container and outside, on the same files.
//
//	worker open|stat|read|write|create FOLDER
//	worker connect ADDRESS:PORT
//	worker syscall /
//	worker wait /
package main

import (
	"fmt"
	"log"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	small = "small" // 1 KiB
	large = "large" // 64 MiB
)

func main() {
	log.SetFlags(0)
	runtime.LockOSThread()
	if len(os.Args) != 3 {
		log.Fatal("usage: worker open|stat|read|write|create FOLDER | connect ADDRESS:PORT")
	}
	if os.Args[1] == "wait" { // what a container does between two kinds of work
		for {
			time.Sleep(time.Hour)
		}
	}
	work := map[string]func(string) func() error{
		"open": open, "stat": stat, "read": read, "write": write, "create": create, "connect": connect, "syscall": syscall,
	}[os.Args[1]]
	if work == nil {
		log.Fatalf("worker: no work %q", os.Args[1])
	}
	ns, err := measure(work(os.Args[2]))
	if err != nil {
		log.Fatalf("worker %s: %v", os.Args[1], err)
	}
	fmt.Println(ns)
}

// measure repeats once for about a third of a second after warming up.
func measure(once func() error) (float64, error) {
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
		if err := once(); err != nil {
			return 0, err
		}
	}
	begin, n := time.Now(), 0
	for time.Since(begin) < 300*time.Millisecond {
		if err := once(); err != nil {
			return 0, err
		}
		n++
	}
	return float64(time.Since(begin).Nanoseconds()) / float64(n), nil
}

func open(dir string) func() error {
	path, buf := filepath.Join(dir, small), make([]byte, 2048)
	return func() error {
		fd, err := unix.Open(path, unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		_, err = unix.Read(fd, buf)
		return err
	}
}

func stat(dir string) func() error {
	path := filepath.Join(dir, small)
	return func() error {
		var st unix.Stat_t
		return unix.Stat(path, &st)
	}
}

// read reads the large file in turns of 1 MiB.
func read(dir string) func() error {
	fd, err := unix.Open(filepath.Join(dir, large), unix.O_RDONLY, 0)
	if err != nil {
		log.Fatal(err)
	}
	buf, off := make([]byte, 1<<20), int64(0)
	return func() error {
		n, err := unix.Pread(fd, buf, off)
		if off += int64(n); n == 0 {
			off = 0
		}
		return err
	}
}

// write overwrites 4 KiB at changing places of the large file.
func write(dir string) func() error {
	fd, err := unix.Open(filepath.Join(dir, large), unix.O_WRONLY, 0)
	if err != nil {
		log.Fatal(err)
	}
	buf, off := make([]byte, 4096), int64(0)
	return func() error {
		_, err := unix.Pwrite(fd, buf, off)
		off = (off + 4096) % (64 << 20)
		return err
	}
}

func create(dir string) func() error {
	path := filepath.Join(dir, "new")
	return func() error {
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		unix.Close(fd)
		return unix.Unlink(path)
	}
}

// connect connects a datagram socket again and again: the look-up of the rules without a handshake around it.
func connect(to string) func() error {
	ap, err := netip.ParseAddrPort(to)
	if err != nil {
		log.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	sa := &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
	return func() error { return unix.Connect(fd, sa) }
}

// syscall makes the smallest system call: what is left is what filters cost.
func syscall(string) func() error {
	return func() error {
		unix.Getppid()
		return nil
	}
}
