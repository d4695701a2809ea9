package view

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/inode"
)

// pathFDs is how many O_PATH descriptors a Server keeps open at most besides those in use.
const pathFDs = 2048

// Server holds the identity table of all views of one process: one Inode per object, however many views, names and
// mounts show it.
type Server struct {
	master *hooks.Master
	priv   privileges
	fds    *fdCache
	names  gate      // Ordered views: one operation on names at a time
	errors io.Writer // panics of modules, with their stack

	survey  *survey
	locks   *lockTable
	special atomic.Pointer[map[string]func(hooks.File) uint32] // by who limits

	mu     sync.RWMutex // everything below, and the fields of Inode that say so
	byKey  map[inode.Key]*Inode
	lastID uint64
	views  []*View
}

// NewServer makes a Server whose operations go through master.
func NewServer(master *hooks.Master) *Server {
	s := &Server{
		master: master,
		priv:   currentPrivileges(),
		fds:    newFDCache(pathFDs),
		names:  newGate(),
		errors: os.Stderr,
		byKey:  make(map[inode.Key]*Inode),
		lastID: rootID,
	}
	s.locks = newLockTable()
	s.survey = &survey{srv: s, kept: make(map[*Inode]kept)}
	return s
}

// intern gives the Inode of an object that was just looked at, making it if need be, with a reference for the caller.
func (s *Server) intern(id ident) *Inode {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.byKey[id.key]
	if n != nil && n.typ == id.typ() {
		n.refs++
		n.nlink.Store(uint32(id.st.Nlink))
		return n
	}
	s.lastID++
	n = &Inode{srv: s, key: id.key, typ: id.typ(), id: s.lastID, handle: id.handle, refs: 1}
	if n.typ == unix.S_IFDIR {
		n.dir = new(folder)
	}
	n.nlink.Store(uint32(id.st.Nlink))
	s.byKey[id.key] = n
	return n
}

// hold takes a further reference.
func (s *Server) hold(n *Inode) {
	s.mu.Lock()
	n.refs++
	s.mu.Unlock()
}

// release gives references back. An Inode without any is forgotten, with its names.
func (s *Server) release(nodes ...*Inode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range nodes {
		if n != nil {
			s.unref(n)
		}
	}
}

// unref is release of one, with mu held.
func (s *Server) unref(n *Inode) {
	n.refs--
	if n.refs > 0 {
		return
	}
	if n.refs < 0 {
		panic(fmt.Sprintf("view: inode %v released once too often", n.key))
	}
	if s.byKey[n.key] == n {
		delete(s.byKey, n.key)
	}
	for len(n.links) > 0 {
		s.unlinkName(n.links[0].parent, n.links[0].name)
	}
	s.fds.drop(n)
}

// gone notes that the object has no name left on the backing. Until it is forgotten a descriptor keeps it reachable,
// and its numbers from being given to another object.
func (s *Server) gone(n *Inode, fd *pathFD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.own().orphan == nil {
		s.fds.retain(fd)
		n.own().orphan = fd
	}
}

// Inodes tells how many objects the server knows.
func (s *Server) Inodes() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.byKey)
}

func (s *Server) addView(v *View) {
	s.mu.Lock()
	s.views = append(s.views, v)
	v.root.refs++
	r := v.root.own()
	r.roots = append(r.roots, v)
	s.mu.Unlock()
}

func (s *Server) removeView(v *View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.views = without(s.views, v)
	r := v.root.own()
	r.roots = without(r.roots, v)
	s.unref(v.root)
}

// without gives a list less one of its members.
func without[T comparable](list []T, gone T) []T {
	rest := make([]T, 0, len(list))
	for _, x := range list {
		if x != gone {
			rest = append(rest, x)
		}
	}
	return rest
}

func errno(err error) unix.Errno {
	if err == nil {
		return 0
	}
	switch e := err.(type) {
	case unix.Errno:
		return e
	case *os.PathError:
		return errno(e.Err)
	case *os.SyscallError:
		return errno(e.Err)
	}
	return unix.EIO
}
