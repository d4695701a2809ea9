package view

import (
	"path"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// census is a walk through one view's backing that makes known what has several names. It never leaves the source's
// mount, follows no symbolic link, and has one directory open at a time.
type census struct {
	view   *View
	run    *surveyRun
	survey *survey
	todo   []string // directories still to be read, below the source
}

func (c *census) take() error {
	if c.view.root.typ != unix.S_IFDIR {
		return nil // its own name is known
	}
	c.todo = []string{""}
	for len(c.todo) > 0 {
		select {
		case <-c.run.ctx.Done():
			return unix.ECANCELED
		default:
		}
		dir := c.todo[len(c.todo)-1]
		c.todo = c.todo[:len(c.todo)-1]
		if err := c.read(dir); err != nil && !vanished(err) {
			return wrap("read", dir, err)
		}
	}
	return nil
}

// vanished tells errors of names that lead elsewhere now.
func vanished(err error) bool {
	switch errno(err) {
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ESTALE, unix.EXDEV:
		return true
	}
	return false
}

// read goes through one directory.
func (c *census) read(dir string) error {
	fd, err := openBelow(c.view.source.root, dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var several []string
	buf := make([]byte, dirBuffer)
	for {
		n := 0
		err := retry(func() (err error) {
			n, err = unix.Getdents(fd, buf)
			return err
		})
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		found, err := c.entries(fd, dir, buf[:n])
		if err != nil {
			return err
		}
		several = append(several, found...)
	}
	return c.know(dir, several)
}

// entries picks out the names of what has several, and puts directories on the list.
func (c *census) entries(fd int, dir string, buf []byte) (several []string, err error) {
	for len(buf) > 0 {
		var e fuse.DirEntry
		size := e.Parse(buf)
		if size == 0 {
			return nil, unix.EIO
		}
		buf = buf[size:]
		if e.Name == "." || e.Name == ".." {
			continue
		}
		if e.Mode&unix.S_IFMT == unix.S_IFDIR {
			c.todo = append(c.todo, path.Join(dir, e.Name))
			continue
		}
		var st unix.Statx_t
		err := unix.Statx(fd, e.Name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE|unix.STATX_NLINK, &st)
		switch {
		case err != nil && !vanished(err):
			return nil, wrap("stat", e.Name, err)
		case err != nil:
		case st.Mode&unix.S_IFMT == unix.S_IFDIR: // some file systems don't tell the type with the name
			c.todo = append(c.todo, path.Join(dir, e.Name))
		case st.Nlink > 1:
			several = append(several, e.Name)
		}
	}
	return several, nil
}

// know looks names of a directory up, as the application would, and keeps what they lead to.
func (c *census) know(dir string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	s := c.view.srv
	d, err := c.view.follow(split(dir))
	if err != nil {
		return err
	}
	defer s.release(d)
	for _, name := range names {
		n, err := c.view.enter(d, name)
		if err != nil {
			if vanished(err) {
				continue
			}
			return err
		}
		c.survey.came(n, c.run)
		s.release(n)
	}
	return nil
}

// came keeps an object that a walk came by.
func (y *survey) came(n *Inode, run *surveyRun) {
	if n.typ == unix.S_IFDIR {
		return
	}
	y.srv.mu.Lock()
	defer y.srv.mu.Unlock()
	y.keep(n)
	k := y.kept[n]
	k.seen = run.number
	y.kept[n] = k
}

// longest is how much of a path is resolved at a time: less than PATH_MAX, more than any name.
const longest = 2048

// openBelow opens a directory by its path below another one, however long it is.
func openBelow(root int, rel string) (fd int, err error) {
	at := root
	if rel == "" {
		rel = "."
	}
	for {
		part, rest := rel, ""
		if len(rel) > longest {
			cut := strings.LastIndexByte(rel[:longest], '/')
			part, rest = rel[:cut], rel[cut+1:]
		}
		how := unix.OpenHow{Flags: unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV}
		err = retryAgain(func() error {
			fd, err = unix.Openat2(at, part, &how)
			return err
		})
		if at != root {
			unix.Close(at)
		}
		if err != nil || rest == "" {
			return fd, err
		}
		at, rel = fd, rest
	}
}

// retryAgain is retry, for calls that also give up when something was renamed meanwhile.
func retryAgain(f func() error) error {
	for {
		if err := retry(f); err != unix.EAGAIN {
			return err
		}
	}
}
