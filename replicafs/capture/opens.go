package capture

import (
	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/inode"
	"klw/replicafs/journal"
)

// forgetRoom is kept reserved for each object without a name: its end can't be refused.
var forgetRoom = journal.Size(0, 0, 0, 0)

// count follows which objects are open. An open counts from Pre on, so that no unlink comes between.
func (m *Module) count(c *hooks.Call, r *hooks.Result) {
	switch {
	case opens.Has(c.Op) && r.Errno != 0:
		m.closed(c.File.Key())
	case c.Op == hooks.OpRelease:
		m.closed(c.File.Key())
	case (c.Op == hooks.OpCreate || c.Op == hooks.OpTmpfile) && r.Errno == 0:
		m.opened(r.File.Key())
	}
}

func (m *Module) opened(key inode.Key) {
	m.mu.Lock()
	m.opens[key]++
	m.mu.Unlock()
}

// closed counts one open less. With the last one an object without a name is gone.
func (m *Module) closed(key inode.Key) {
	m.mu.Lock()
	m.opens[key]--
	last := m.opens[key] <= 0
	var id uint64
	if last {
		delete(m.opens, key)
		if id = m.orphans[key]; id != 0 {
			m.dropOrphan(key)
			delete(m.ids, key)
		}
	}
	m.mu.Unlock()
	if id != 0 {
		m.append(&journal.Record{Op: journal.Forget, Object: id})
		m.o.Journal.Release(forgetRoom)
	}
}

// lost is told of an object that may have lost its last name. It says whether the object is gone.
func (m *Module) lost(f hooks.File) bool {
	b, ok := f.(Backing)
	if !ok {
		return false
	}
	if st, err := b.StatBacking(); err == nil && st.Nlink > 0 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return false
	}
	key := f.Key()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.opens[key] == 0 || m.ids[key] == 0 {
		delete(m.ids, key)
		return true
	}
	m.addOrphan(key)
	return false
}

// addOrphan and dropOrphan are called with mu held.
func (m *Module) addOrphan(key inode.Key) {
	if m.orphans[key] == 0 {
		m.orphans[key] = m.ids[key]
		m.o.Journal.Hold(forgetRoom)
	}
}

func (m *Module) dropOrphan(key inode.Key) { delete(m.orphans, key) }

// named is told that an object has a name again.
func (m *Module) named(key inode.Key) {
	m.mu.Lock()
	_, was := m.orphans[key]
	m.dropOrphan(key)
	m.mu.Unlock()
	if was {
		m.o.Journal.Release(forgetRoom)
	}
}
