package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

func moreContentAttempts() {
	add("unlink", "delete content", func(string) error {
		old, err := os.ReadFile(icon)
		if err != nil {
			return setupFailed("read", err)
		}
		if err := os.Remove(icon); err != nil {
			return err
		}
		return os.WriteFile(icon, old, 0o644)
	})
	add("create", "plant a file among the content", func(string) error {
		planted := filepath.Join(filepath.Dir(page), "planted.html")
		if err := os.WriteFile(planted, []byte("mine"), 0o644); err != nil {
			return err
		}
		return os.Remove(planted)
	})
	add("mkdir", "make a folder among the content", func(string) error {
		dir := filepath.Join(filepath.Dir(page), "planted")
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		return os.Remove(dir)
	})
	add("chmod", "change the mode of content", func(string) error { return os.Chmod(icon, 0o644) })
	add("chown", "give content to somebody else", func(string) error { return os.Chown(icon, 0, 0) })
	add("utimes", "set back the times of content", func(string) error { return os.Chtimes(icon, time.Unix(1, 0), time.Unix(1, 0)) })
	add("setxattr", "hang an attribute on content", func(string) error {
		if err := unix.Setxattr(icon, "user.mine", []byte("1"), 0); err != nil {
			return err
		}
		return unix.Removexattr(icon, "user.mine")
	})
	add("fallocate", "punch a hole into content", func(string) error {
		return restoring(func() error {
			fd, err := unix.Open(icon, unix.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 1)
		})
	})
	add("read-refused", "read a file that no rule allows, as root", func(string) error { return read("/root/secret") })
	add("list-refused", "list a folder that no rule allows, as root", func(string) error {
		_, err := os.ReadDir("/root")
		return err
	})
	add("read-hardlink", "give a refused file a second name in a readable folder and read that", func(string) error {
		name := filepath.Join(scratch, "borrowed")
		os.Remove(name)
		if err := os.Link("/root/secret", name); err != nil {
			return err
		}
		defer os.Remove(name)
		return read(name)
	})
	add("exec-own", "run a program of one's own from a writable folder", func(string) error {
		own := filepath.Join(scratch, "program")
		if err := copyFile("/proc/self/exe", own, 0o755); err != nil {
			return setupFailed("copy", err)
		}
		defer os.Remove(own)
		return exec.Command(own, "list").Run()
	})
	add("race-swap", "swap a writable file and a link to content while opening it again and again", raceSwap)
}

func read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Read(make([]byte, 1))
	return err
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// raceSwap exchanges a file of one's own and a symbolic link to the page under one name while opening that name for
// writing: a guard that decides by one look at the name and opens by another lets one open in many through.
func raceSwap(string) error {
	own, link := filepath.Join(scratch, "race.own"), filepath.Join(scratch, "race.link")
	os.Remove(own)
	os.Remove(link)
	if err := os.WriteFile(own, nil, 0o666); err != nil {
		return setupFailed("write", err)
	}
	defer os.Remove(own)
	if err := os.Symlink(page, link); err != nil {
		return setupFailed("symlink", err)
	}
	defer os.Remove(link)
	var want unix.Stat_t
	if err := unix.Stat(page, &want); err != nil {
		return setupFailed("stat", err)
	}
	defer swapping(own, link)()
	var last error = unix.EACCES
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		fd, err := unix.Open(own, unix.O_WRONLY, 0)
		if err != nil {
			last = err
			continue
		}
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		unix.Close(fd)
		if err == nil && st.Ino == want.Ino && st.Dev == want.Dev {
			return nil
		}
	}
	return last
}

// swapping exchanges two names again and again until stop.
func swapping(a, b string) (stop func()) {
	end := make(chan struct{})
	go func() {
		for {
			select {
			case <-end:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			}
		}
	}()
	return func() { close(end) }
}
