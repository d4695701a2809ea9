package replica

import (
	"container/list"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"klw/replicafs"
)

// maxHandles bounds the descriptors that are kept open.
const maxHandles = 512

// errUnknown is an id that the index doesn't have.
var errUnknown = errors.New("no such object in the replica")

// ErrChanged means that somebody else changed the replica.
var ErrChanged = errors.New("the replica was changed by somebody else")

// handle is an object's open descriptors.
type handle struct {
	id   uint64
	path int // O_PATH
	data int // O_RDWR, -1 if not open
	pins int
	elem *list.Element
}

// handles keeps the descriptors that were used last.
type handles struct {
	byID map[uint64]*handle
	used *list.List // least recently used first
}

func newHandles() *handles { return &handles{byID: map[uint64]*handle{}, used: list.New()} }

func (h *handle) close() {
	unix.Close(h.path)
	if h.data >= 0 {
		unix.Close(h.data)
	}
}

func (hs *handles) drop(id uint64) {
	if h := hs.byID[id]; h != nil {
		hs.used.Remove(h.elem)
		delete(hs.byID, id)
		h.close()
	}
}

// shrink closes what was not used for longest and isn't in use.
func (hs *handles) shrink() {
	for e := hs.used.Front(); e != nil && len(hs.byID) > maxHandles; {
		h := e.Value.(*handle)
		e = e.Next()
		if h.pins == 0 {
			hs.drop(h.id)
		}
	}
}

func (hs *handles) closeAll() {
	for id := range hs.byID {
		hs.drop(id)
	}
}

// get opens the object. put must be called when it isn't needed any more.
func (a *Applier) get(id uint64) (*handle, error) {
	if h := a.open.byID[id]; h != nil {
		h.pins++
		a.open.used.MoveToBack(h.elem)
		return h, nil
	}
	n := a.index.nodes[id]
	if n == nil {
		return nil, fmt.Errorf("object %d: %w", id, errUnknown)
	}
	fd, err := a.openNode(n)
	if err != nil {
		return nil, fmt.Errorf("open object %d: %w", id, err)
	}
	h := &handle{id: id, path: fd, data: -1, pins: 1}
	h.elem = a.open.used.PushBack(h)
	a.open.byID[id] = h
	a.open.shrink()
	return h, nil
}

func (a *Applier) put(h *handle) { h.pins-- }

func (a *Applier) openNode(n *node) (int, error) {
	if n.id == RootID {
		return unix.FcntlInt(uintptr(a.root), unix.F_DUPFD_CLOEXEC, 0)
	}
	dirfd, name := a.limbo, strconv.FormatUint(n.id, 10)
	if !n.limbo {
		if len(n.names) == 0 {
			return -1, errUnknown
		}
		parent, err := a.get(n.names[0].parent)
		if err != nil {
			return -1, err
		}
		defer a.put(parent)
		dirfd, name = parent.path, n.names[0].name
	}
	fd, err := replicafs.OpenObject(dirfd, name)
	if err != nil {
		return -1, fmt.Errorf("%w: %s: %w", ErrChanged, name, err)
	}
	if id, err := ID(fd); err != nil || id != n.id {
		unix.Close(fd)
		return -1, fmt.Errorf("%w: %s is another object", ErrChanged, name)
	}
	return fd, nil
}

// file gives a descriptor for the object's data.
func (h *handle) file() (int, error) {
	if h.data >= 0 {
		return h.data, nil
	}
	fd, err := unix.Open(replicafs.Proc(h.path), unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_LARGEFILE|unix.O_NOATIME, 0)
	if err != nil {
		return -1, fmt.Errorf("open object %d to write: %w", h.id, err)
	}
	h.data = fd
	return fd, nil
}

// removeAll removes name in dirfd and all below it.
func removeAll(dirfd int, name string) error {
	err := unix.Unlinkat(dirfd, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if !errors.Is(err, unix.EISDIR) {
		return err
	}
	fd, err := replicafs.OpenObject(dirfd, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	names, err := replicafs.ReadDir(fd)
	if err != nil {
		return err
	}
	for _, child := range names {
		if err := removeAll(fd, child); err != nil {
			return err
		}
	}
	return unix.Unlinkat(dirfd, name, unix.AT_REMOVEDIR)
}
