package view

import (
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Two mounts of one folder are one matter: what a view begins with may lie in another view's tree, too, and then has a
// name there before anybody has looked it up.

// findTwins records the names that the root of a new view has in the other views, and theirs in it.
func (s *Server) findTwins(v *View) {
	s.mu.RLock()
	others := without(s.views, v)
	s.mu.RUnlock()
	for _, w := range others {
		w.findRoot(v)
		v.findRoot(w)
	}
}

// findRoot looks for another view's root below this one's and records its name. Where it is was found out beforehand and
// may have changed: that it is there is what the look-ups tell.
func (v *View) findRoot(of *View) {
	if v.root.typ != unix.S_IFDIR || of.root == v.root {
		return
	}
	for _, way := range [][]string{v.wayByHandle(of), v.wayByPath(of)} {
		if len(way) > 0 && v.leads(way, of.root) {
			return
		}
	}
}

// leads looks a path up and tells whether it leads to n. The names that it records stay as long as n is known.
func (v *View) leads(way []string, n *Inode) bool {
	found, err := v.follow(way)
	if err != nil {
		return false
	}
	defer v.srv.release(found)
	return found == n
}

// wayByPath goes by the names with which both sources were given.
func (v *View) wayByPath(of *View) []string {
	full, err := filepath.EvalSymlinks(of.opts.Source)
	if err != nil {
		return nil
	}
	for dir := filepath.Dir(full); ; dir = filepath.Dir(dir) {
		if v.rootIs(dir) {
			rest, err := filepath.Rel(dir, full)
			if err != nil {
				return nil
			}
			return split(rest)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func (v *View) rootIs(dir string) bool {
	fd, err := openat(unix.AT_FDCWD, dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return v.isRoot(fd)
}

func (v *View) isRoot(fd int) bool {
	id, err := v.source.identify(fd)
	return err == nil && id.key == v.root.key
}

// wayByHandle climbs from the other root, opened anew on this view's mount, up to this view's root: sources may have
// been given by mounts that have nothing in common. Only directories know their parents.
func (v *View) wayByHandle(of *View) (way []string) {
	if of.root.typ != unix.S_IFDIR || of.root.handle == (handle{}) || v.source.generation != byHandle ||
		of.root.key.Dev != v.root.key.Dev {
		return nil
	}
	fd, err := unix.OpenByHandleAt(v.source.mount, of.root.handle.unix(), unix.O_PATH|unix.O_CLOEXEC)
	for range maxDepth {
		if err != nil {
			return nil
		}
		if v.isRoot(fd) {
			unix.Close(fd)
			slices.Reverse(way)
			return way
		}
		name, _ := os.Readlink(procPath(fd))
		var up int
		up, err = openat(fd, "..", unix.O_PATH|unix.O_DIRECTORY)
		if err == nil && sameObject(fd, up) {
			unix.Close(up)
			err = unix.ENOENT // the top of the file system
		}
		unix.Close(fd)
		fd, way = up, append(way, filepath.Base(name))
	}
	unix.Close(fd)
	return nil
}

func sameObject(a, b int) bool {
	x, err := fstat(a)
	y, err2 := fstat(b)
	return err != nil || err2 != nil || x.Dev == y.Dev && x.Ino == y.Ino
}
