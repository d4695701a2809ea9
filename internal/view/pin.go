package view

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// maxSymlinks is how many symbolic links one path may go through, as in the kernel.
const maxSymlinks = 40

// Pin resolves a path as the application would, inside the views, records that name for the object found and keeps it
// known until Unpin. It gives the object and the path that it was found at. The error is fs.ErrNotExist where there is
// nothing.
func (s *Server) Pin(p string) (hooks.File, string, error) {
	f, at, _, err := s.Follow(p)
	if err == nil && f == nil {
		err = fmt.Errorf("resolve %s: %w", p, fs.ErrNotExist)
	}
	if err != nil {
		return nil, "", err
	}
	return f, at, nil
}

// Follow is Pin for paths to which there may be nothing yet: f is then nil, and at is where it would be. links are the
// symbolic links on the way, by their own names.
func (s *Server) Follow(p string) (f hooks.File, at string, links []string, err error) {
	w := walk{srv: s, todo: split(p)}
	defer w.close()
	switch err := w.run(); err {
	case nil:
	case unix.ENOENT, unix.ENOTDIR:
		return nil, w.missing, w.followed, nil
	default:
		return nil, "", nil, fmt.Errorf("resolve %s: %w", p, err)
	}
	n := w.top().ino
	if n == nil { // only the way to a view
		return nil, w.path(), w.followed, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.pins++
	n.refs++
	return n, w.path(), w.followed, nil
}

// Unpin takes one Pin or Follow back.
func (s *Server) Unpin(f hooks.File) {
	n, ok := f.(*Inode)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.pins == 0 {
		panic(fmt.Sprintf("view: inode %v unpinned once too often", n.key))
	}
	n.pins--
	s.unref(n)
}

func split(p string) []string {
	return strings.FieldsFunc(p, func(r rune) bool { return r == '/' })
}

// walk is a path being resolved: where it has got to, and what is left.
type walk struct {
	srv   *Server
	at    []step // from the root
	todo  []string
	links int

	followed []string // symbolic links, by their own names
	missing  string   // where there was nothing, and the rest below
}

// step is one component. ino is nil for a directory that only leads to a view.
type step struct {
	name string
	ino  *Inode
	view *View
}

func (w *walk) close() {
	for _, s := range w.at {
		w.srv.release(s.ino)
	}
}

func (w *walk) top() step { return w.at[len(w.at)-1] }

func (w *walk) path() string { return w.pathWith("") }

func (w *walk) pathWith(name string) string {
	names := []string{"/"}
	for _, s := range w.at[1:] {
		names = append(names, s.name)
	}
	return path.Join(append(names, name)...)
}

func (w *walk) run() error {
	w.at = []step{w.root()}
	for len(w.todo) > 0 {
		name := w.todo[0]
		w.todo = w.todo[1:]
		var err error
		switch name {
		case ".":
		case "..":
			w.up()
		default:
			err = w.down(name)
		}
		if err != nil {
			w.missing = path.Join(append([]string{w.pathWith(name)}, w.todo...)...)
			return err
		}
	}
	return nil
}

func (w *walk) root() step {
	if v := w.srv.viewAt("/"); v != nil {
		w.srv.hold(v.root)
		return step{ino: v.root, view: v}
	}
	return step{}
}

func (w *walk) up() {
	if len(w.at) > 1 {
		w.srv.release(w.top().ino)
		w.at = w.at[:len(w.at)-1]
	}
}

func (w *walk) down(name string) error {
	full := w.pathWith(name)
	if v := w.srv.viewAt(full); v != nil {
		w.srv.hold(v.root)
		w.at = append(w.at, step{name, v.root, v})
		return nil
	}
	dir := w.top()
	err := error(unix.ENOENT)
	if dir.ino != nil {
		err = w.enter(dir, name)
	}
	if err == unix.ENOENT && w.srv.viewBelow(full) {
		w.at = append(w.at, step{name: name, view: dir.view})
		return nil
	}
	return err
}

func (w *walk) enter(dir step, name string) error {
	if dir.ino.typ != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	dir.ino.dir.RLock()
	n, _, err := dir.view.child(dir.ino, name)
	dir.ino.dir.RUnlock()
	if err != nil {
		return err
	}
	if n.typ != unix.S_IFLNK {
		w.at = append(w.at, step{name, n, dir.view})
		return nil
	}
	defer w.srv.release(n)
	w.followed = append(w.followed, w.pathWith(name))
	return w.follow(n)
}

func (w *walk) follow(n *Inode) error {
	if w.links++; w.links > maxSymlinks {
		return unix.ELOOP
	}
	p, err := n.reach()
	if err != nil {
		return err
	}
	defer w.srv.fds.release(p)
	buf := make([]byte, unix.PathMax)
	size, err := unix.Readlinkat(p.fd, "", buf)
	if err != nil {
		return err
	}
	target := string(buf[:size])
	if path.IsAbs(target) {
		for len(w.at) > 1 {
			w.up()
		}
	}
	w.todo = append(split(target), w.todo...)
	return nil
}

// viewAt gives the view that is mounted at an application path.
func (s *Server) viewAt(p string) *View {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := len(s.views) - 1; i >= 0; i-- { // the last one mounted covers the others
		if s.views[i].opts.Inside == p {
			return s.views[i]
		}
	}
	return nil
}

// viewBelow tells whether a view is mounted below an application path.
func (s *Server) viewBelow(p string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, v := range s.views {
		if strings.HasPrefix(v.opts.Inside, p+"/") {
			return true
		}
	}
	return false
}
