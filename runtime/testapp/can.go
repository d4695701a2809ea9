package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// can tries things given as word:path and prints, one a line, "yes" or why not.
func can(list []string) {
	for _, a := range list {
		word, path, _ := strings.Cut(a, ":")
		answer := "yes"
		if err := tries[word](path); err != nil {
			answer = err.Error()
			if e := new(fs.PathError); errors.As(err, &e) {
				answer = e.Err.Error()
			}
		}
		fmt.Printf("%s %s\n", a, answer)
	}
}

var tries = map[string]func(string) error{
	"read": func(p string) error {
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		if n, err := f.Read(make([]byte, 64)); n == 0 {
			return fmt.Errorf("empty (%w)", err)
		}
		return nil
	},
	"open-write": func(p string) error {
		f, err := os.OpenFile(p, os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		return err
	},
	"rewrite": func(p string) error { // what is there already
		text, err := os.ReadFile(p)
		if err == nil {
			err = os.WriteFile(p, text, 0)
		}
		return err
	},
	"list": func(p string) error {
		entries, err := os.ReadDir(p)
		if err == nil && len(entries) == 0 {
			err = errors.New("empty")
		}
		return err
	},
	"create": func(p string) error {
		defer os.Remove(p)
		return try(p, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY)
	},
	"device": func(p string) error { // a null device of one's own
		defer os.Remove(p)
		if err := unix.Mknod(p, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
			return err
		}
		return try(p, unix.O_WRONLY)
	},
	"queue": func(p string) error {
		name, err := unix.BytePtrFromString(p)
		if err != nil {
			return err
		}
		at := uintptr(unsafe.Pointer(name))
		fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, at, unix.O_CREAT|unix.O_RDWR, 0o600, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		unix.Close(int(fd))
		_, _, _ = unix.Syscall(unix.SYS_MQ_UNLINK, at, 0, 0)
		return nil
	},
}
