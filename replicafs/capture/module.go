package capture

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/inode"
	"klw/replicafs/journal"
	"klw/replicafs/replica"
)

// Backing is what the module needs of the view's files.
type Backing interface {
	hooks.File
	StatBacking() (unix.Stat_t, error)
	OpenBacking(flags int) (*os.File, error)
}

// Options of a module.
type Options struct {
	Journal  *journal.Writer
	Disk     bool                // fsync waits for the journal on disk
	Root     inode.Key           // of the source
	Unknown  func(path string)   // told of objects that were made past the mount; must not block
	Wait     func(time.Duration) // waits until the journal may have become shorter; may be nil
	Patience time.Duration       // how long a full journal is waited for before an operation is refused
}

// Module is the module "replicate".
type Module struct {
	o    Options
	gate *gate

	mu      sync.Mutex
	ids     map[inode.Key]uint64
	opens   map[inode.Key]int    // open descriptions
	orphans map[inode.Key]uint64 // without a name, open
	running map[*hooks.Call]int  // bytes reserved
	makers  int                  // operations at work that make objects
	settled *sync.Cond           // makers changed
}

// New makes the module.
func New(o Options) *Module {
	m := &Module{
		o: o, gate: newGate(),
		ids: map[inode.Key]uint64{o.Root: replica.RootID}, opens: map[inode.Key]int{},
		orphans: map[inode.Key]uint64{}, running: map[*hooks.Call]int{},
	}
	m.settled = sync.NewCond(&m.mu)
	return m
}

var changes = hooks.Ops(hooks.OpCreate, hooks.OpTmpfile, hooks.OpMkdir, hooks.OpMknod, hooks.OpSymlink, hooks.OpLink,
	hooks.OpRename, hooks.OpUnlink, hooks.OpRmdir, hooks.OpWrite, hooks.OpTruncate, hooks.OpChmod, hooks.OpChown,
	hooks.OpUtimes, hooks.OpSetxattr, hooks.OpRemovexattr, hooks.OpFallocate, hooks.OpCopyRange)

var makes = hooks.Ops(hooks.OpCreate, hooks.OpTmpfile, hooks.OpMkdir, hooks.OpMknod, hooks.OpSymlink)

var onNames = makes | hooks.Ops(hooks.OpLink, hooks.OpRename, hooks.OpUnlink, hooks.OpRmdir)

var opens = hooks.Ops(hooks.OpOpen, hooks.OpExec)

// Info describes the module.
func (m *Module) Info() hooks.Info {
	return hooks.Info{
		Name:        "replicate",
		Description: "writes every change that succeeded to the journal",
		Monitors:    changes | opens | hooks.Ops(hooks.OpRelease, hooks.OpFsync),
		Permanent:   true,
	}
}

// changing tells whether a call changes anything.
func changing(c *hooks.Call) bool {
	return changes.Has(c.Op) || opens.Has(c.Op) && c.Flags&unix.O_TRUNC != 0
}

// Pre reserves room for the record.
func (m *Module) Pre(c *hooks.Call) hooks.Verdict {
	if c.Op == hooks.OpFsync {
		return m.preSync()
	}
	if m.reserved(c) {
		return hooks.Verdict{Errno: syscall.EPERM, Rule: "replicate", Hint: replica.Hidden + " is the replica's own"}
	}
	if opens.Has(c.Op) {
		m.opened(c.File.Key())
	}
	if !changing(c) {
		return hooks.Allow
	}
	if c.Op == hooks.OpCopyRange {
		c.Size = min(c.Size, maxCopy)
	}
	n := room(c)
	m.gate.enter()
	if err := m.reserve(n); err != nil {
		m.gate.leave()
		if opens.Has(c.Op) { // no Post follows a refusal of our own
			m.closed(c.File.Key())
		}
		return hooks.Verdict{Errno: refusal(err), Rule: "replicate", Hint: err.Error()}
	}
	m.mu.Lock()
	m.running[c] = n
	if makes.Has(c.Op) {
		m.makers++
	}
	m.mu.Unlock()
	return hooks.Allow
}

func refusal(err error) syscall.Errno {
	if errors.Is(err, journal.ErrFull) {
		return syscall.ENOSPC
	}
	return syscall.EIO
}

// reserve waits a little for a full journal: the applier may be about to make room.
func (m *Module) reserve(n int) error {
	err := m.o.Journal.Reserve(n)
	for late := time.Now().Add(m.o.Patience); errors.Is(err, journal.ErrFull) && m.o.Wait != nil && time.Now().Before(late); {
		m.o.Wait(20 * time.Millisecond)
		err = m.o.Journal.Reserve(n)
	}
	return err
}

func (m *Module) preSync() hooks.Verdict {
	if !m.o.Disk {
		return hooks.Allow
	}
	if err := m.o.Journal.Sync(m.o.Journal.Seq()); err != nil {
		return hooks.Verdict{Errno: syscall.EIO, Rule: "replicate", Hint: err.Error()}
	}
	return hooks.Allow
}

// reserved tells whether a call would make our own name in the source's root.
func (m *Module) reserved(c *hooks.Call) bool {
	isOurs := func(dir hooks.File, name string) bool {
		return name == replica.Hidden && dir != nil && dir.Key() == m.o.Root
	}
	return makes.Has(c.Op) && isOurs(c.Dir, c.Name) || isOurs(c.NewDir, c.NewName) ||
		c.Op == hooks.OpRename && isOurs(c.Dir, c.Name)
}

// Post writes the record of what succeeded.
func (m *Module) Post(c *hooks.Call, r *hooks.Result) {
	m.count(c, r)
	m.mu.Lock()
	n, ok := m.running[c]
	delete(m.running, c)
	m.mu.Unlock()
	if !ok {
		return
	}
	if r.Errno == 0 {
		m.record(c, r)
	}
	m.o.Journal.Release(n)
	m.gate.leave()
	if makes.Has(c.Op) {
		m.mu.Lock()
		m.makers--
		m.settled.Broadcast()
		m.mu.Unlock()
	}
}

// Exclusive runs f while no operation changes anything.
func (m *Module) Exclusive(f func() error) error {
	m.gate.lock()
	defer m.gate.unlock()
	return f()
}

// SetID notes the id of an object, as package reconcile found it.
func (m *Module) SetID(key inode.Key, id uint64) {
	m.mu.Lock()
	m.ids[key] = id
	m.mu.Unlock()
}

// Reset forgets all ids but those of objects that are open and have no name. It belongs into Exclusive.
func (m *Module) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids = map[inode.Key]uint64{m.o.Root: replica.RootID}
	for key, id := range m.orphans {
		m.ids[key] = id
	}
}

// Orphan tells whether an object without a name is open.
func (m *Module) Orphan(id uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.orphans {
		if o == id {
			return true
		}
	}
	return false
}

// Objects is how many objects the module knows.
func (m *Module) Objects() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ids)
}
