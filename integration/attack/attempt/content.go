package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// What the attacks on content aim at: the page that Apache serves, and a file of Apache's own that lies in the same
// mount as the folder that Apache may write (so that links and renames between the two are possible at all).
const (
	page    = "/var/www/html/index.html"
	icon    = "/usr/share/apache2/icons/blank.gif"
	scratch = "/run/apache2"
)

func contentAttempts() {
	add("write-path", "write to the page by its path", func(string) error { return deface(page) })
	add("write-relative", "write to the page by a relative name", func(string) error {
		if err := os.Chdir("/var/www"); err != nil {
			return setupFailed("chdir", err)
		}
		return deface("html/../html/./index.html")
	})
	add("write-hardlink", "give content a second name in a writable folder and write to that", func(string) error {
		return viaName("hardlink", func(name string) error { return os.Link(icon, name) })
	})
	add("write-symlink", "write through a symbolic link in a writable folder", func(string) error {
		return viaName("symlink", func(name string) error { return os.Symlink(page, name) })
	})
	add("write-proc-self-root", "write through /proc/self/root", func(string) error { return deface("/proc/self/root" + page) })
	add("write-proc-pid-root", "write through /proc/1/root", func(string) error { return deface("/proc/1/root" + page) })
	add("write-dirfd", "write through a descriptor of the content's folder", func(string) error {
		dir, err := unix.Open(filepath.Dir(page), unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		fd, err := unix.Openat(dir, filepath.Base(page), unix.O_WRONLY|unix.O_APPEND, 0)
		if err != nil {
			return err
		}
		return appendByte(fd)
	})
	add("write-proc-fd", "open the page for reading, then again for writing through /proc/self/fd", func(string) error {
		f, err := os.Open(page)
		if err != nil {
			return setupFailed("open for reading", err)
		}
		return deface(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	})
	add("rename-over", "rename a file of one's own over content", func(string) error {
		own := filepath.Join(scratch, "own")
		if err := os.WriteFile(own, []byte("mine"), 0o644); err != nil {
			return setupFailed("write", err)
		}
		defer os.Remove(own)
		return restoring(func() error { return os.Rename(own, icon) })
	})
	add("rename-folder", "rename the folder above content away and put another in its place", func(string) error {
		dir := filepath.Dir(icon)
		away := dir + ".away"
		if err := os.Rename(dir, away); err != nil {
			return err
		}
		return os.Rename(away, dir)
	})
	add("tmpfile-link", "make a file without a name and link it into content", func(string) error {
		return tmpfileLink(filepath.Join(filepath.Dir(icon), "planted.gif"))
	})
	add("truncate", "truncate content by its path", func(string) error {
		return restoring(func() error { return os.Truncate(icon, 0) })
	})
	add("mmap-write", "store to content through a shared mapping", func(string) error { return mapped(page) })
	add("mprotect-write", "map content opened for reading, then make the mapping writable", func(string) error { return reprotected(page) })
}

// deface appends a byte and takes it away again, so that an attack that works leaves no mess for the next.
func deface(path string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND, 0)
	if err != nil {
		return err
	}
	return appendByte(fd)
}

func appendByte(fd int) error {
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return setupFailed("fstat", err)
	}
	if _, err := unix.Write(fd, []byte("!")); err != nil {
		return err
	}
	return unix.Ftruncate(fd, st.Size)
}

func viaName(kind string, link func(name string) error) error {
	name := filepath.Join(scratch, kind)
	os.Remove(name)
	if err := link(name); err != nil {
		return err
	}
	defer os.Remove(name)
	return deface(name)
}

// restoring runs an attack that destroys the icon and puts its content back.
func restoring(attack func() error) error {
	old, err := os.ReadFile(icon)
	if err != nil {
		return setupFailed("read", err)
	}
	if err := attack(); err != nil {
		return err
	}
	return os.WriteFile(icon, old, 0o644)
}

func tmpfileLink(target string) error {
	fd, err := unix.Open(filepath.Dir(target), unix.O_TMPFILE|unix.O_RDWR, 0o644)
	if err != nil && !errors.Is(err, syscall.EACCES) {
		return err
	}
	if err != nil { // not in the content's own folder: try from the writable one
		if fd, err = unix.Open(scratch, unix.O_TMPFILE|unix.O_RDWR, 0o644); err != nil {
			return err
		}
	}
	defer unix.Close(fd)
	if err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, target, unix.AT_SYMLINK_FOLLOW); err != nil {
		return err
	}
	return os.Remove(target)
}

func mapped(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR, 0)
	if err != nil {
		return err
	}
	return store(fd, unix.PROT_READ|unix.PROT_WRITE, false)
}

func reprotected(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR, 0)
	if err != nil {
		if fd, err = unix.Open(path, unix.O_RDONLY, 0); err != nil {
			return err
		}
	}
	return store(fd, unix.PROT_READ, true)
}

func store(fd, prot int, upgrade bool) error {
	defer unix.Close(fd)
	m, err := unix.Mmap(fd, 0, 1, prot, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Munmap(m) }()
	if upgrade {
		if err := unix.Mprotect(m, unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return err
		}
	}
	m[0] = m[0] + 0 // a store of the same value is a store
	m[0] ^= 0xff
	m[0] ^= 0xff
	return unix.Msync(m, unix.MS_SYNC)
}
