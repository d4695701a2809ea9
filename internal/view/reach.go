package view

import (
	"encoding/binary"
	"hash/fnv"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"klw/internal/inode"
)

// ident is what was found at a descriptor.
type ident struct {
	key    inode.Key
	st     unix.Stat_t
	handle handle
}

func (i *ident) typ() uint32 { return i.st.Mode & unix.S_IFMT }

// identify tells which object a descriptor is of.
func (s *source) identify(fd int) (ident, error) {
	var id ident
	st, err := fstat(fd)
	if err != nil {
		return id, err
	}
	id.st = st
	id.key = inode.Key{Dev: st.Dev, Ino: st.Ino}
	switch s.generation {
	case byHandle:
		h, _, err := unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH)
		if err != nil {
			return id, err
		}
		id.handle = keep(h)
		id.key.Gen = handleGeneration(h)
	case byBirth:
		id.key.Gen = birth(fd)
	}
	return id, nil
}

// handle is a file handle as it is kept: small. The zero value is none.
type handle struct {
	typ   int32
	bytes string
}

func keep(h unix.FileHandle) handle { return handle{h.Type(), string(h.Bytes())} }

func (h handle) unix() unix.FileHandle { return unix.NewFileHandle(h.typ, []byte(h.bytes)) }

// handleGeneration is the generation in the handle where its form is known (FILEID_INO32_GEN), else a hash of it.
func handleGeneration(h unix.FileHandle) uint64 {
	b := h.Bytes()
	if h.Type() == 1 && len(b) == 8 {
		return uint64(binary.NativeEndian.Uint32(b[4:]))
	}
	sum := fnv.New64a()
	sum.Write([]byte{byte(h.Type())})
	sum.Write(b)
	return sum.Sum64()
}

func birth(fd int) uint64 {
	var stx unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &stx)
	if err != nil || stx.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return uint64(stx.Btime.Sec)*1e9 + uint64(stx.Btime.Nsec)
}

func fstat(fd int) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH) })
	return st, err
}

// reach gives a descriptor of the object, to be released: a kept one, by handle, from an open file, or by a name that
// still leads to it.
func (n *Inode) reach() (*pathFD, error) {
	s := n.srv
	if p := s.fds.get(n); p != nil {
		return p, nil
	}
	if p := n.reachKept(); p != nil {
		return p, nil
	}
	if p := n.reachHandle(); p != nil {
		return p, nil
	}
	if p := n.reachOpen(); p != nil {
		return p, nil
	}
	s.mu.RLock()
	links := append([]link(nil), n.links...)
	s.mu.RUnlock()
	for _, l := range links {
		if p := n.reachName(l); p != nil {
			return p, nil
		}
	}
	return nil, unix.ESTALE
}

// reachKept finds the descriptor of an object without a name.
func (n *Inode) reachKept() *pathFD {
	n.srv.mu.RLock()
	defer n.srv.mu.RUnlock()
	p := n.uncommon().orphan
	if p != nil {
		n.srv.fds.retain(p)
	}
	return p
}

// reachHandle opens the object by its file handle.
func (n *Inode) reachHandle() *pathFD {
	if n.handle == (handle{}) {
		return nil
	}
	src := n.srv.sourceOf(n.key.Dev)
	if src == nil {
		return nil
	}
	defer n.srv.leaveSource(src)
	fd, err := unix.OpenByHandleAt(src.mount, n.handle.unix(), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return nil
	}
	if src.dev != n.key.Dev { // found by luck, on another part of the file system or another one
		if id, err := src.identify(fd); err != nil || id.key != n.key {
			unix.Close(fd)
			return nil
		}
	}
	return n.srv.fds.put(n, fd)
}

// sourceOf gives a source on a device, to be left.
func (s *Server) sourceOf(dev uint64) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.views {
		if v.source.dev == dev || v.source.spans {
			v.source.users++
			return v.source
		}
	}
	return nil
}

// leaveSource closes a source that nobody uses any more.
func (s *Server) leaveSource(src *source) {
	s.mu.Lock()
	src.users--
	last := src.users == 0
	s.mu.Unlock()
	if last {
		src.close()
	}
}

// reachOpen goes through a file that is open.
func (n *Inode) reachOpen() *pathFD {
	n.srv.mu.RLock()
	defer n.srv.mu.RUnlock() // keeps the descriptor open meanwhile
	open := n.uncommon().open
	if len(open) == 0 {
		return nil
	}
	fd, err := reopen(open[0].fd, unix.O_PATH)
	if err != nil {
		return nil
	}
	return n.srv.fds.put(n, fd)
}

// reachName goes through a name, and checks that it leads to the same object still.
func (n *Inode) reachName(l link) *pathFD {
	s := n.srv
	v := s.viewOf(l.parent)
	if v == nil {
		return nil
	}
	parent, err := l.parent.reach()
	if err != nil {
		return nil
	}
	defer s.fds.release(parent)
	fd, err := openat(parent.fd, l.name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return nil
	}
	id, err := v.source.identify(fd)
	if err != nil || id.key != n.key || id.typ() != n.typ {
		unix.Close(fd)
		return nil
	}
	return s.fds.put(n, fd)
}

// viewOf gives a view that shows n.
func (s *Server) viewOf(n *Inode) *View {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for depth := 0; depth < maxDepth; depth++ {
		if roots := n.uncommon().roots; len(roots) > 0 {
			return roots[0]
		}
		if len(n.links) == 0 {
			return nil
		}
		n = n.links[0].parent
	}
	return nil
}

// openat is openat(2), with O_CLOEXEC, repeated when interrupted.
func openat(dir int, name string, flags int) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// reopen opens what a descriptor is of anew.
func reopen(fd int, flags int) (int, error) {
	return openat(unix.AT_FDCWD, procPath(fd), flags)
}

// procPath names what a descriptor is of, for calls that have no form with an empty path.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

func wrap(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}
