package view

import (
	"container/list"
	"sync"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// file is an open file description of a view.
type file struct {
	fh    uint64
	fd    int
	node  *node
	flags uint32
	uid   uint32        // who opened it
	share *sharedFD     // regular files: what fd belongs to
	asker *hooks.Caller // who opened it, if a module wants to be asked about its data
	dir   *dirStream    // directories

	flock   int       // the descriptor that holds its flock; 0 is none. This and the next under lockTable.mu
	lockers []lockKey // who locked through it by fcntl
}

func (f *file) writable() bool { return f.flags&unix.O_ACCMODE != unix.O_RDONLY }

// addFile makes an open file known, unless the session has ended.
func (v *View) addFile(f *file) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.files == nil {
		return false
	}
	v.lastFH++
	f.fh = v.lastFH
	v.files[f.fh] = f
	return true
}

// takeFile ends a file handle.
func (v *View) takeFile(fh uint64) *file {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.files[fh]
	delete(v.files, fh)
	return f
}

func (v *View) closeFile(f *file) {
	v.srv.locks.leaveFile(f)
	if f.share == nil {
		unix.Close(f.fd)
		return
	}
	v.leave(f.node, f.share)
}

// backing is how a regular file's data is reached in one view. All descriptions that are open at one time go one way,
// by passthrough or through the server: the kernel refuses a mixture.
type backing struct {
	mu   sync.Mutex
	id   int32       // 0: through the server
	fds  []*sharedFD // the server's descriptors, one for each kind of open
	seen version     // of the data, when it was opened last
}

// backingOf gives a node's backing, which only files that were opened have.
func (v *View) backingOf(n *node) *backing {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.backing == nil {
		n.backing = new(backing)
	}
	return n.backing
}

// sharedFD is a descriptor for all descriptions of a file that were opened alike. Offsets, O_APPEND and locks are the
// kernel's matter.
type sharedFD struct {
	fd    int
	flags uint32
	refs  int

	idle   *list.Element // in View.idle, under its lock; then refs is 0
	closed bool
}

// version tells two states of a file's data apart.
type version struct {
	size         int64
	mtime, ctime unix.Timespec
}

// sharedFlags are the flags of open(2) by which the server's descriptors differ. O_APPEND stays with the kernel's
// descriptions: write-back of a mapping must go where it belongs. O_DIRECT would need aligned buffers.
const sharedFlags = unix.O_ACCMODE | unix.O_SYNC | unix.O_DSYNC | unix.O_NOATIME

// joining says for what a descriptor is wanted.
type joining struct {
	flags uint32
	must  bool // a new one, for O_TRUNC
	asked bool // a module wants to be asked about the data, or to know who maps it: not by passthrough, if that can be chosen still
}

// join gives the node's descriptor of a kind, made by open if there is none, or if it must be.
func (v *View) join(n *node, j joining, open func() (int, error)) (*sharedFD, error) {
	if j.asked {
		v.dropIdle(n)
	}
	flags, must := j.flags, j.must
	b := v.backingOf(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	var share *sharedFD
	for _, s := range b.fds {
		if s.flags == flags&sharedFlags {
			share = s
		}
	}
	if share != nil && !must {
		v.again(share)
		return share, nil
	}
	fd, err := open()
	if err != nil {
		return nil, err
	}
	if share != nil {
		unix.Close(fd)
		v.again(share)
		return share, nil
	}
	share = &sharedFD{fd: fd, flags: flags & sharedFlags, refs: 1}
	v.enlist(n, share, j.asked)
	return share, nil
}

// again counts one more open of a descriptor, with backing.mu held.
func (v *View) again(share *sharedFD) {
	if share.refs == 0 {
		v.idle.resume(share)
	}
	share.refs++
}

// enlist adds the node's first descriptor of a kind, with backing.mu held.
func (v *View) enlist(n *node, share *sharedFD, asked bool) {
	b := v.backingOf(n)
	if len(b.fds) == 0 && v.pass && !asked {
		b.id = v.register(share.fd)
	}
	b.fds = append(b.fds, share)
	v.srv.mu.Lock()
	n.own().open = append(n.own().open, share)
	if b.id != 0 {
		n.own().passed |= 1 << (share.flags & unix.O_ACCMODE)
	}
	v.srv.mu.Unlock()
}

// leave gives a descriptor back.
func (v *View) leave(n *node, share *sharedFD) {
	for _, entry := range v.left(n, share) {
		v.discard(entry)
	}
}

// left is leave, but for the descriptors of other files that must make room.
func (v *View) left(n *node, share *sharedFD) (surplus []*idleFD) {
	b := v.backingOf(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	share.refs--
	if share.refs > 0 {
		return nil
	}
	if b.id != 0 && share.flags&unix.O_ACCMODE == unix.O_RDONLY {
		return v.idle.keep(v, n, share)
	}
	v.closeShare(n, b, share)
	return nil
}

// closeShare closes a descriptor that nobody has, with backing.mu held.
func (v *View) closeShare(n *node, b *backing, share *sharedFD) {
	share.closed = true
	b.fds = without(b.fds, share)
	if len(b.fds) == 0 && b.id != 0 {
		_ = v.fuse.UnregisterBackingFd(b.id) // it fails only when the connection is gone, and the number with it
		b.id = 0
	}
	v.srv.mu.Lock()
	defer v.srv.mu.Unlock()
	n.own().open = without(n.own().open, share)
	unix.Close(share.fd) // with the lock: reachOpen relies on it
}
