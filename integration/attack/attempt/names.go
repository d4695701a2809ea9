package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// What the attacks on reading aim at.
const (
	secret     = "/root/secret"
	secretLink = "/root/link"
	unseenLink = "/usr/share/apache2/unseen" // of a file that nobody else looks at
)

// Other names for what is refused: by spelling, by descriptor, by the kernel's own links.
func nameAttempts() {
	add("read-dotdot", "read a refused file by a name that goes up and down", func(string) error {
		return read("/usr/share/../..//root/./secret")
	})
	add("list-slashes", "list a refused folder by a name with slashes and dots behind it", func(string) error {
		_, err := os.ReadDir("/usr/../root/.//")
		return err
	})
	add("read-cwd", "go into a refused folder and read a file there through /proc/self/cwd", func(string) error {
		if err := os.Chdir(filepath.Dir(secret)); err != nil {
			return err
		}
		return read("/proc/self/cwd/" + filepath.Base(secret))
	})
	add("read-chroot", "make a refused folder the root and read a file there", func(string) error {
		if err := unix.Chroot(filepath.Dir(secret)); err != nil {
			return err
		}
		return read("/" + filepath.Base(secret))
	})
	add("read-opath", "open a refused file as a path only, then again through /proc/self/fd", func(string) error {
		return reopened(secret, unix.O_RDONLY)
	})
	add("list-opath", "open a refused folder as a path only, then again through /proc/self/fd", func(string) error {
		return reopened(filepath.Dir(secret), unix.O_RDONLY|unix.O_DIRECTORY)
	})
	add("read-symlink", "read a refused file through a symbolic link in a writable folder", func(string) error {
		return linked(os.Symlink, secret)
	})
	add("read-unseen-link", "read a refused file by a second name that it has always had in a readable folder", func(string) error {
		return read(unseenLink)
	})
	add("link-opath", "give a refused file a second name by its descriptor", func(string) error {
		return linked(func(from, to string) error {
			fd, err := unix.Open(from, unix.O_PATH, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Linkat(fd, "", unix.AT_FDCWD, to, unix.AT_EMPTY_PATH)
		}, secret)
	})
	add("read-moved", "move a refused file to a readable folder and read it there", func(string) error {
		name := filepath.Join(scratch, "moved")
		if err := os.Rename(secret, name); err != nil {
			return err
		}
		err := read(name)
		if back := os.Rename(name, secret); back != nil {
			return setupFailed("move it back", back)
		}
		return err
	})
	add("readlink-refused", "read where a symbolic link in a refused folder leads", func(string) error {
		_, err := os.Readlink(secretLink)
		return err
	})
	add("listxattr-refused", "list the attributes of a refused file", func(string) error {
		_, err := unix.Listxattr(secret, make([]byte, 256))
		return err
	})
	add("getxattr-refused", "read an attribute of a refused file", func(string) error {
		_, err := unix.Getxattr(secret, "user.klw", make([]byte, 16))
		return err
	})
	add("write-twin", "write to content by the name that it has in another mount of its folder", func(string) error {
		return deface(filepath.Join(twin, "binhex.gif"))
	})
	add("write-map-files", "map content to read, then open the mapping's file for writing", writeMapFiles)
	add("race-folder", "swap a folder of one's own and a link to a refused one while reading below that name", raceFolder)
}

// twin is a second mount of the icon's folder, which a rule lets the application write.
const twin = "/attack/twin"

func reopened(path string, flags int) error {
	fd, err := unix.Open(path, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), flags, 0)
	if err != nil {
		return err
	}
	return unix.Close(again)
}

func linked(link func(from, to string) error, target string) error {
	name := filepath.Join(scratch, "linked")
	os.Remove(name)
	if err := link(target, name); err != nil {
		return err
	}
	defer os.Remove(name)
	return read(name)
}

// writeMapFiles asks the kernel for the file behind a mapping, which with passthrough is one that the guard opened.
func writeMapFiles(string) error {
	fd, err := unix.Open(page, unix.O_RDONLY, 0)
	if err != nil {
		return setupFailed("open", err)
	}
	defer unix.Close(fd)
	m, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return setupFailed("map", err)
	}
	defer func() { _ = unix.Munmap(m) }()
	maps, err := os.ReadDir("/proc/self/map_files")
	if err != nil {
		return err
	}
	var last error = unix.ENOENT
	for _, e := range maps {
		name := "/proc/self/map_files/" + e.Name()
		if to, err := os.Readlink(name); err != nil || filepath.Base(to) != filepath.Base(page) {
			continue
		}
		if last = deface(name); last == nil {
			return nil
		}
	}
	return last
}

// raceFolder exchanges a folder and a symbolic link under one name while files are opened below it.
func raceFolder(string) error {
	own, link := filepath.Join(scratch, "race.folder"), filepath.Join(scratch, "race.way")
	os.RemoveAll(own)
	os.RemoveAll(link)
	if err := os.Mkdir(own, 0o777); err != nil {
		return setupFailed("mkdir", err)
	}
	defer os.RemoveAll(own)
	if err := os.WriteFile(filepath.Join(own, filepath.Base(secret)), nil, 0o666); err != nil {
		return setupFailed("write", err)
	}
	if err := os.Symlink(filepath.Dir(secret), link); err != nil {
		return setupFailed("symlink", err)
	}
	defer os.RemoveAll(link)
	defer swapping(own, link)()
	var last error = unix.EACCES
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		text, err := os.ReadFile(filepath.Join(own, filepath.Base(secret)))
		if err == nil && len(text) > 0 {
			return nil
		}
		if err != nil {
			last = err
		}
	}
	return last
}
