package view

import (
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// validity is how long the kernel may answer from what it was told about names and attributes. What the host changes
// shows within this time; what is changed through the view shows at once.
const validity = time.Second

// session answers the requests of one view's kernel side.
type session struct {
	*View
	*Server
}

// node finds what a request is about.
func (s *session) node(id uint64) (*node, unix.Errno) {
	s.View.mu.RLock()
	n := s.nodes[id]
	s.View.mu.RUnlock()
	if n == nil {
		return nil, unix.ESTALE
	}
	return n, 0
}

// folder finds the directory that a request names something in. Each name must be one: the backing is never asked for
// what leads elsewhere. The kernel sends no other, but nothing rests on that.
func (s *session) folder(id uint64, names ...string) (*node, unix.Errno) {
	n, e := s.node(id)
	if e != 0 {
		return nil, e
	}
	if n.typ != unix.S_IFDIR {
		return nil, unix.ENOTDIR
	}
	for _, name := range names {
		if name == "" || name == "." || name == ".." || strings.ContainsRune(name, '/') {
			return nil, unix.EINVAL
		}
	}
	return n, 0
}

// file finds an open file.
func (s *session) file(fh uint64) (*file, unix.Errno) {
	s.View.mu.RLock()
	f := s.files[fh]
	s.View.mu.RUnlock()
	if f == nil {
		return nil, unix.EBADF
	}
	return f, 0
}

func caller(h *fuse.InHeader) hooks.Caller {
	return hooks.Caller{PID: h.Pid, UID: h.Uid, GID: h.Gid}
}

// ask takes a call through the master, if anybody watches it. do sees the call as the modules left it.
func (s *session) ask(c *hooks.Call, do func(*hooks.Call) hooks.Result) hooks.Result {
	if !s.master.Monitored(c.Op) {
		return do(c)
	}
	if e := s.allNamesFor(c); e != 0 {
		return hooks.Result{Errno: e}
	}
	return s.master.Run(c, func() hooks.Result { return do(c) })
}

// askEach is ask for a request that is several operations: each is checked, the change is made once.
func (s *session) askEach(ops []hooks.Operation, c *hooks.Call, do func(*hooks.Call) hooks.Result) hooks.Result {
	if len(ops) == 0 {
		return do(c)
	}
	own := *c
	own.Op = ops[0]
	return s.ask(&own, func(c *hooks.Call) hooks.Result { return s.askEach(ops[1:], c, do) })
}

// orderData takes the lock under which an Ordered view changes data and attributes of inodes.
func (s *session) orderData(cancel <-chan struct{}, h *fuse.InHeader, nodes ...*Inode) (unlock func(), e unix.Errno) {
	if !s.opts.Ordered {
		return func() {}, 0
	}
	if len(nodes) == 2 && nodes[0] == nodes[1] {
		nodes = nodes[:1]
	}
	if len(nodes) == 2 && nodes[0].id > nodes[1].id {
		nodes = []*Inode{nodes[1], nodes[0]}
	}
	var held []gate
	unlock = func() {
		for _, g := range held {
			g.unlock()
		}
	}
	for _, n := range nodes {
		g := n.order()
		if !g.lock(cancel, h.Pid) {
			unlock()
			return nil, unix.EINTR
		}
		held = append(held, g)
	}
	return unlock, 0
}

// orderNames takes the lock under which an Ordered view changes names.
func (s *session) orderNames(cancel <-chan struct{}, h *fuse.InHeader) (unlock func(), e unix.Errno) {
	if !s.opts.Ordered {
		return func() {}, 0
	}
	if !s.names.lock(cancel, h.Pid) {
		return nil, unix.EINTR
	}
	return s.names.unlock, 0
}

func failed(err error) hooks.Result { return hooks.Result{Errno: errno(err)} }

func status(r hooks.Result) fuse.Status { return answer(r.Errno) }

// maxErrno is the first number that the kernel doesn't take for an error: the request would never be answered.
const maxErrno = 512

// answer makes an errno one that the kernel may hear. ENOSYS, from a module or a backing, would make it never ask for
// such an operation again, in the whole view.
func answer(e unix.Errno) fuse.Status {
	switch {
	case e == unix.ENOSYS:
		return fuse.Status(unix.EOPNOTSUPP)
	case e >= maxErrno:
		return fuse.EIO
	}
	return fuse.Status(e)
}
