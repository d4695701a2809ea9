package view

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Options describe a view.
type Options struct {
	Name     string // source shown in mountinfo, Source by default; the type is fuse.klw
	Source   string // directory or regular file on the host
	Inside   string // where the application sees it, absolute and clean
	Cached   bool   // false: data by passthrough. true: every write reaches the server
	ReadOnly bool
	Locking  Locking
	Ordered  bool // operation and Post run under one lock, see the package comment

	// Alias is a name by which the root can be looked up once more, below itself, until CloseAlias; "" is none.
	Alias string
	// SelfUse: the process that serves will use the view too. Such a process may be impossible to kill.
	SelfUse bool

	NoPassthrough bool // as if the kernel had none: every read and write is one by the server
}

// View is one mount served by a Server.
type View struct {
	srv    *Server
	opts   Options
	source *source
	root   *Inode
	rootFD *pathFD
	fuse   *fuse.Server
	abort  int  // writing to it ends the connection
	notify int  // the connection, for what go-fuse can't say
	pass   bool // data by passthrough
	done   chan struct{}

	idle     idle
	aliasing atomic.Bool // the root may be looked up by its alias

	mountMu sync.Mutex
	mount   *os.File // until handed over

	mu     sync.RWMutex
	nodes  map[uint64]*node
	files  map[uint64]*file
	asking map[*opening]struct{} // opens that are being decided on
	lastFH uint64
}

// node is an Inode as the kernel knows it in one view.
type node struct {
	*Inode
	lookups uint64   // under View.mu
	backing *backing // under View.mu
}

// ErrHandedOver is what the second taker of a view's mount gets.
var ErrHandedOver = errors.New("the view's mount was handed over already")

// Add makes a view as a detached mount and serves it.
func (s *Server) Add(o Options) (*View, error) {
	v, err := s.add(o)
	if err != nil {
		return nil, fmt.Errorf("view of %s: %w", o.Source, err)
	}
	return v, nil
}

func (s *Server) add(o Options) (*View, error) {
	v, err := s.prepare(o)
	if err != nil {
		return nil, err
	}
	if err := v.serve(); err != nil {
		v.end()
		return nil, err
	}
	return v, nil
}

// prepare makes everything of a view but the mount.
func (s *Server) prepare(o Options) (*View, error) {
	if !path.IsAbs(o.Inside) || path.Clean(o.Inside) != o.Inside {
		return nil, fmt.Errorf("%q is not an absolute clean path", o.Inside)
	}
	src, err := openSource(o.Source)
	if err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Name = o.Source
	}
	o.ReadOnly = o.ReadOnly || src.readOnly
	v := &View{
		srv: s, opts: o, source: src, abort: -1, notify: -1,
		done:  make(chan struct{}),
		nodes: make(map[uint64]*node),
		files: make(map[uint64]*file),
	}
	if err := v.takeRoot(); err != nil {
		src.close()
		return nil, err
	}
	s.findTwins(v)
	return v, nil
}

// takeRoot makes the source's own object known.
func (v *View) takeRoot() error {
	s := v.srv
	id, err := v.source.identify(v.source.root)
	if err != nil {
		return err
	}
	fd, err := reopen(v.source.root, unix.O_PATH)
	if err != nil {
		return err
	}
	v.root = s.intern(id)
	v.rootFD = s.fds.put(v.root, fd)
	v.nodes[rootID] = &node{Inode: v.root, lookups: 1}
	s.addView(v)
	return nil
}

// serve makes the mount and starts to serve.
func (v *View) serve() error {
	dev, m, err := detachedMount(v.opts, v.source, maxTransfer)
	if err != nil {
		return err
	}
	v.mount = os.NewFile(uintptr(m), v.opts.Name)
	if v.abort, err = abortFile(m); err != nil {
		v.mount.Close()
		unix.Close(dev)
		return err
	}
	if err := v.converse(dev); err != nil {
		v.mount.Close()
		unix.Close(v.abort)
		return fmt.Errorf("serve: %w", err)
	}
	if v.opts.SelfUse {
		quenchPoll(m)
	}
	return nil
}

// converse answers INIT, which waits on dev, and starts to answer what follows. It takes dev, also when it fails.
func (v *View) converse(dev int) (err error) {
	if v.notify, err = unix.FcntlInt(uintptr(dev), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		unix.Close(dev)
		return err
	}
	mo := v.mountOptions()
	v.fuse, err = fuse.NewServer(&session{View: v, Server: v.srv}, fmt.Sprintf("/dev/fd/%d", dev), mo)
	if err != nil { // dev is closed
		unix.Close(v.notify)
		return err
	}
	v.pass = mo.DisabledCapabilities&fuse.CAP_PASSTHROUGH == 0 && v.fuse.KernelSettings().Flags64()&fuse.CAP_PASSTHROUGH != 0
	v.aliasing.Store(v.opts.Alias != "")
	go v.fuse.Serve()
	return nil
}

// quenchPoll asks once, at a name that go-fuse answers itself, whether files can be polled. The answer is no, and the
// kernel doesn't ask again. Otherwise a Go program that opens a file of its own view could wait for itself for ever:
// its runtime polls without leaving a thread to serve. A view of one file has no such name; it must not be used
// by the process that serves it.
func quenchPoll(mount int) {
	fd, err := openat(mount, ".go-fuse-epoll-hack", unix.O_RDONLY)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
}

const maxTransfer = 1 << 20

func (v *View) mountOptions() *fuse.MountOptions {
	mo := &fuse.MountOptions{
		Name:          "klw",
		FsName:        v.opts.Name,
		AllowOther:    true,
		MaxWrite:      maxTransfer,
		MaxReadAhead:  maxTransfer,
		MaxBackground: 64,
		MaxStackDepth: 2, // the backing may be an overlay or another view
		EnableAcl:     true,
		DisableSplice: true,
		Logger:        log.New(quiet{v.srv.errors}, "view: ", 0),
		ExtraCapabilities: fuse.CAP_READDIRPLUS_AUTO | fuse.CAP_HANDLE_KILLPRIV_V2 | fuse.CAP_ATOMIC_O_TRUNC |
			fuse.CAP_DONT_MASK | fuse.CAP_SETXATTR_EXT | fuse.CAP_ASYNC_DIO,
	}
	switch v.opts.Locking {
	case ShareFlock:
		mo.ExtraCapabilities |= fuse.CAP_FLOCK_LOCKS
	case ShareAllLocks:
		mo.EnableLocks = true
	}
	if v.opts.Cached || v.opts.NoPassthrough {
		mo.DisabledCapabilities |= fuse.CAP_PASSTHROUGH
	}
	return mo
}

// quiet drops what go-fuse says about requests that we leave to the kernel on purpose, and about the end that Abort made.
type quiet struct{ to io.Writer }

func (q quiet) Write(b []byte) (int, error) {
	for _, known := range []string{"Unimplemented opcode", unix.ECONNABORTED.Error()} {
		if strings.Contains(string(b), known) {
			return len(b), nil
		}
	}
	return q.to.Write(b)
}

// Mount hands the mount's descriptor over, once. The caller closes it; the view ends when the last mount and
// descriptor of it is gone.
func (v *View) Mount() (*os.File, error) {
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	m := v.mount
	if m == nil {
		return nil, ErrHandedOver
	}
	v.mount = nil
	return m, nil
}

// AttachTo mounts the view on a path of this process's mount namespace, instead of Mount.
func (v *View) AttachTo(path string) error {
	m, err := v.Mount()
	if err != nil {
		return err
	}
	defer m.Close()
	err = unix.MoveMount(int(m.Fd()), "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
	return wrap("move_mount", path, err)
}

// Inside gives the path where the application sees the view.
func (v *View) Inside() string { return v.opts.Inside }

// Passthrough tells whether the kernel moves data without the server.
func (v *View) Passthrough() bool { return v.pass }

// Root gives the Inode that the view begins at.
func (v *View) Root() *Inode { return v.root }

// Done is closed when the session has ended.
func (v *View) Done() <-chan struct{} { return v.done }

// Abort ends the connection: whoever uses the view gets ENOTCONN. It does nothing when the session has ended.
func (v *View) Abort() error {
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	if v.mount != nil {
		v.mount.Close()
		v.mount = nil
	}
	if v.abort < 0 {
		return nil
	}
	if _, err := unix.Write(v.abort, []byte("1")); err != nil {
		return fmt.Errorf("abort the view of %s: %w", v.opts.Source, err)
	}
	return nil
}

// end gives back everything that the session held.
func (v *View) end() {
	v.mu.Lock()
	nodes, files := v.nodes, v.files
	v.nodes, v.files = nil, nil
	v.mu.Unlock()
	for _, f := range files {
		v.closeFile(f)
	}
	v.endIdle()
	for _, n := range nodes {
		v.srv.release(n.Inode)
	}
	v.srv.fds.release(v.rootFD)
	v.srv.removeView(v)
	v.srv.leaveSource(v.source)
	v.srv.closeUnlessServing()
}

// finish is end for a session that was served.
func (v *View) finish() {
	v.end()
	v.mountMu.Lock()
	unix.Close(v.abort)
	unix.Close(v.notify)
	v.abort, v.notify = -1, -1
	v.mountMu.Unlock()
	close(v.done)
}
