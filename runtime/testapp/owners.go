package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// owners tries what depends on who owns a file, on every file of a folder in order, and in the folder itself, and tells
// what became of it.
func owners(a []string) {
	unix.Umask(0o022)
	entries, err := os.ReadDir(a[0])
	if err != nil {
		fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(a[0], e.Name())
		for _, t := range ownerTrials {
			fmt.Println(e.Name(), t.name, t.do(path), look(path))
		}
	}
	for _, t := range folderTrials {
		path := filepath.Join(a[0], "new-"+t.name)
		fmt.Println("new", t.name, t.do(path), look(path))
	}
}

type trial struct {
	name string
	do   func(path string) error
}

var ownerTrials = []trial{
	{"read", func(p string) error { return try(p, unix.O_RDONLY) }},
	{"write", func(p string) error { return try(p, unix.O_WRONLY) }},
	{"truncate", func(p string) error { return unix.Truncate(p, 3) }},
	{"access", func(p string) error { return unix.Access(p, unix.R_OK|unix.W_OK) }},
	{"chmod", func(p string) error { return unix.Chmod(p, 0o640) }},
	{"set-ids", func(p string) error { return unix.Chmod(p, 0o6750) }},
	{"write-set-ids", func(p string) error { return try(p, unix.O_WRONLY) }},
	{"utimes", func(p string) error { return unix.Utimes(p, []unix.Timeval{{Sec: 1}, {Sec: 2}}) }},
	{"attribute", func(p string) error { return unix.Setxattr(p, "user.x", []byte("y"), 0) }},
	{"trusted", func(p string) error { return unix.Setxattr(p, "trusted.x", []byte("y"), 0) }},
	{"capability", func(p string) error { return unix.Setxattr(p, "security.capability", netBind, 0) }},
	{"acl", func(p string) error { return unix.Setxattr(p, "system.posix_acl_access", aclUser5, 0) }},
	{"chown-5", func(p string) error { return unix.Lchown(p, 5, 5) }},
	{"chown-0", func(p string) error { return unix.Lchown(p, 0, 0) }},
	{"chown-unmapped", func(p string) error { return unix.Lchown(p, 5000, -1) }},
	{"chgrp-33", func(p string) error { return unix.Lchown(p, -1, 33) }},
	{"link", func(p string) error { return unix.Link(p, p+"-link") }},
	{"rename", func(p string) error { return unix.Rename(p, p+"-moved") }},
	{"rename-back", func(p string) error { return unix.Rename(p+"-moved", p) }},
	{"unlink-link", func(p string) error { return unix.Unlink(p + "-link") }},
}

var folderTrials = []trial{
	{"file", func(p string) error { return try(p, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY) }},
	{"folder", func(p string) error { return unix.Mkdir(p, 0o2777) }},
	{"fifo", func(p string) error { return unix.Mkfifo(p, 0o666) }},
	{"device", func(p string) error { return unix.Mknod(p, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) }},
	{"symlink", func(p string) error { return unix.Symlink("nowhere", p) }},
	{"unnamed", func(p string) error {
		fd, err := unix.Open(filepath.Dir(p), unix.O_TMPFILE|unix.O_RDWR, 0o644)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, p, unix.AT_SYMLINK_FOLLOW)
	}},
}

// netBind is CAP_NET_BIND_SERVICE as a file capability of version 2; aclUser5 lets user 5 read.
var (
	netBind  = []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	aclUser5 = []byte{2, 0, 0, 0,
		1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 5, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
		16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255}
)

func try(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_NONBLOCK, 0o666)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if flags&unix.O_ACCMODE == unix.O_WRONLY {
		_, err = unix.Write(fd, []byte("text"))
	}
	return err
}

// look tells what shows of a file: its owner, its mode, and the attributes that name users.
func look(path string) string {
	st, err := os.Lstat(path)
	if err != nil {
		return "absent"
	}
	sys := st.Sys().(*syscall.Stat_t)
	text := fmt.Sprintf("%d:%d %v", sys.Uid, sys.Gid, st.Mode())
	for _, name := range []string{"security.capability", "system.posix_acl_access"} {
		b := make([]byte, 100)
		if n, err := unix.Lgetxattr(path, name, b); err == nil {
			text += fmt.Sprintf(" %x", b[:n])
		} else if err != unix.ENODATA {
			text += " " + err.Error()
		}
	}
	return text
}
