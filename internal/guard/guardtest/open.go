package guardtest

import (
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// held are the files that the application keeps open, and their mappings, by the name that the test gives.
var held = map[string]*heldFile{}

type heldFile struct {
	fd  int
	mem []byte
}

// performOpen does something with what is open. ok is false for other commands.
func performOpen(command string, path func(string) string, args []string) (answer string, ok bool) {
	f := held[args[0]]
	var err error
	switch command {
	case "hold": // NAME PATH r|w|rw
		err = hold(args[0], path(args[1]), args[2])
	case "map": // NAME: a page, shared
		f.mem, err = unix.Mmap(f.fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	case "pread":
		buf := make([]byte, 64)
		var n int
		if n, err = unix.Pread(f.fd, buf, 0); err == nil {
			return string(buf[:n]), true
		}
	case "pwrite": // NAME TEXT
		_, err = unix.Pwrite(f.fd, []byte(args[1]), 0)
	case "ftruncate":
		err = unix.Ftruncate(f.fd, 1)
	case "fallocate":
		err = unix.Fallocate(f.fd, 0, 0, 100)
	case "copy": // FROM TO
		a, b := int64(0), int64(0)
		_, err = unix.CopyFileRange(f.fd, &a, held[args[1]].fd, &b, 100, 0)
	case "peek":
		return faulting(func() string { return string(f.mem[:1]) }), true
	case "poke": // NAME TEXT
		return faulting(func() string { copy(f.mem, args[1]); return "ok" }), true
	case "msync":
		err = unix.Msync(f.mem, unix.MS_SYNC)
	default:
		return "", false
	}
	return errnoOf(err), true
}

func hold(name, path, mode string) error {
	flags := map[string]int{"r": unix.O_RDONLY, "w": unix.O_WRONLY, "rw": unix.O_RDWR}[mode]
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err == nil {
		held[name] = &heldFile{fd: fd}
	}
	return err
}

// faulting answers SIGBUS where memory can't be had.
func faulting(access func() string) (answer string) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if e := recover(); e != nil {
			answer = "SIGBUS"
		}
	}()
	return strings.ToValidUTF8(access(), "?")
}
