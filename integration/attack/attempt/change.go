package main

import (
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Other ways to change content, and to execute what may not be.
func changeAttempts() {
	add("exchange", "exchange content and a file of one's own", func(string) error {
		own := filepath.Join(scratch, "exchanged")
		if err := os.WriteFile(own, []byte("mine"), 0o644); err != nil {
			return setupFailed("write", err)
		}
		defer os.Remove(own)
		swap := func() error { return unix.Renameat2(unix.AT_FDCWD, own, unix.AT_FDCWD, icon, unix.RENAME_EXCHANGE) }
		if err := swap(); err != nil {
			return err
		}
		return swap()
	})
	add("truncate-reading", "truncate content by opening it to read with O_TRUNC", func(string) error {
		return restoring(func() error {
			fd, err := unix.Open(icon, unix.O_RDONLY|unix.O_TRUNC, 0)
			if err != nil {
				return err
			}
			return unix.Close(fd)
		})
	})
	add("fchmod", "change the mode of content through a descriptor opened to read", func(string) error {
		return reading(func(fd int) error { return unix.Fchmod(fd, 0o644) })
	})
	add("fchown", "give content away through a descriptor opened to read", func(string) error {
		return reading(func(fd int) error { return unix.Fchown(fd, 0, 0) })
	})
	add("futimes", "set back the times of content through a descriptor opened to read", func(string) error {
		return reading(func(fd int) error { return unix.Futimes(fd, []unix.Timeval{{Sec: 1}, {Sec: 1}}) })
	})
	add("fsetxattr", "hang an attribute on content through a descriptor opened to read", func(string) error {
		return reading(func(fd int) error {
			if err := unix.Fsetxattr(fd, "user.mine", []byte("1"), 0); err != nil {
				return err
			}
			return unix.Fremovexattr(fd, "user.mine")
		})
	})
	add("acl", "give oneself content by an access control list", setACL)
	add("rmdir", "remove an empty folder among the content", func(string) error {
		if err := os.Remove(emptyFolder); err != nil {
			return err
		}
		return os.Mkdir(emptyFolder, 0o755)
	})
	add("plant-symlink", "plant a symbolic link among the content", func(string) error {
		return planted(func(name string) error { return os.Symlink("/etc/passwd", name) })
	})
	add("plant-fifo", "plant a FIFO among the content", func(string) error {
		return planted(func(name string) error { return unix.Mkfifo(name, 0o666) })
	})
	add("plant-link", "link a file of one's own into the content", func(string) error {
		own := filepath.Join(scratch, "own.gif")
		if err := os.WriteFile(own, []byte("mine"), 0o644); err != nil {
			return setupFailed("write", err)
		}
		defer os.Remove(own)
		return planted(func(name string) error { return os.Link(own, name) })
	})
	add("uring-write", "open content for writing by io_uring", func(string) error { return uringOpen(page, unix.O_WRONLY) })
	add("exec-script", "run a script of one's own from a writable folder", func(string) error {
		own := filepath.Join(scratch, "script")
		if err := os.WriteFile(own, []byte("#!/bin/true\n"), 0o755); err != nil {
			return setupFailed("write", err)
		}
		defer os.Remove(own)
		return exec.Command(own).Run()
	})
	add("exec-fd", "run a program of one's own by its descriptor", execByDescriptor)
	add("exec-refused", "run a program that may only be read", func(string) error { return exec.Command(readOnlyProgram, "list").Run() })
}

const (
	emptyFolder     = "/usr/share/apache2/empty"
	readOnlyProgram = "/etc/apache2/program"
)

// reading changes the icon through a descriptor opened to read.
func reading(change func(fd int) error) error {
	fd, err := unix.Open(icon, unix.O_RDONLY, 0)
	if err != nil {
		return setupFailed("open for reading", err)
	}
	defer unix.Close(fd)
	return change(fd)
}

func planted(plant func(name string) error) error {
	name := filepath.Join(filepath.Dir(icon), "planted")
	if err := plant(name); err != nil {
		return err
	}
	return os.Remove(name)
}

// setACL writes struct posix_acl_xattr: owner rw-, www-data rw-, group r--, mask rw-, others r--.
func setACL(string) error {
	const undefined = 0xffffffff
	acl := []byte{2, 0, 0, 0}
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 6, undefined}, {2, 6, 33}, {4, 4, undefined}, {0x10, 6, undefined}, {0x20, 4, undefined}} {
		acl = append(acl, byte(e.tag), 0, byte(e.perm), 0, byte(e.id), byte(e.id>>8), byte(e.id>>16), byte(e.id>>24))
	}
	if err := unix.Setxattr(icon, "system.posix_acl_access", acl, 0); err != nil {
		return err
	}
	return unix.Removexattr(icon, "system.posix_acl_access")
}

func execByDescriptor(string) error {
	own := filepath.Join(scratch, "program")
	if err := copyFile("/proc/self/exe", own, 0o755); err != nil {
		return setupFailed("copy", err)
	}
	defer os.Remove(own)
	fd, err := unix.Open(own, unix.O_PATH, 0)
	if err != nil {
		return setupFailed("open", err)
	}
	defer unix.Close(fd)
	return execAt(fd)
}
