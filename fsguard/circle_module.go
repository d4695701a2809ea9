package fsguard

import (
	"sync"
	"sync/atomic"

	"klw/hooks"
	"klw/internal/inode"
)

// CircleName is the name of the module that decides by circles.
const CircleName = "circles"

// CircleModule refuses what circles reserve for others. It gives nothing. Its circles can be exchanged while it works.
type CircleModule struct {
	force atomic.Pointer[[]*Circles] // those in force, and with an exchange under way the next ones
	marks marks
}

// NewCircleModule makes a module that decides by circles.
func NewCircleModule(c *Circles) *CircleModule {
	m := &CircleModule{}
	m.force.Store(&[]*Circles{c})
	return m
}

// Info describes the module.
func (m *CircleModule) Info() hooks.Info {
	return hooks.Info{Name: CircleName, Description: "files that are reserved for one user", Monitors: monitored}
}

// Circles gives those by which the module decides now.
func (m *CircleModule) Circles() *Circles { return (*m.force.Load())[0] }

// Tighten begins an exchange: until Swap, a call must be allowed by the circles in force and by next.
func (m *CircleModule) Tighten(next *Circles) { m.force.Store(&[]*Circles{m.Circles(), next}) }

// Swap exchanges the circles: every operation that begins from now on is decided by the new ones alone. What it gives is
// to be closed.
func (m *CircleModule) Swap(c *Circles) (old *Circles) { return (*m.force.Swap(&[]*Circles{c}))[0] }

// Load is a no-op but for FIFOs and sockets, if the views can limit them.
func (m *CircleModule) Load() error {
	if l, ok := m.Circles().views.(Limiter); ok {
		l.LimitSpecial(CircleName, m.special)
	}
	return nil
}

// Unload lifts what Load set.
func (m *CircleModule) Unload() error {
	if l, ok := m.Circles().views.(Limiter); ok {
		l.LimitSpecial(CircleName, nil)
	}
	return nil
}

func (m *CircleModule) special(f hooks.File) uint32 {
	bits := uint32(4 | 2)
	for _, c := range *m.force.Load() {
		bits &= c.special(f)
	}
	return bits
}

// Pre decides before the operation. What is moved into a circle is marked before anybody looks who has it open: an open
// that is decided later finds the mark, one that was decided before is found.
func (m *CircleModule) Pre(c *hooks.Call) hooks.Verdict {
	var takes []take
	for _, circles := range *m.force.Load() {
		v, more := circles.decide(c, &m.marks)
		if v.Refused() {
			return v
		}
		circles.watch(c)
		takes = append(takes, more...)
	}
	var names uint64 = 1
	if c.Op == hooks.OpLink {
		names = 0
	}
	for _, t := range takes {
		m.marks.set(t)
	}
	for _, t := range takes {
		if !t.free(names) {
			m.marks.clear(c)
			return apart(t.line, t.path)
		}
	}
	return hooks.Allow
}

// Post ends the marks: what was moved has its new name.
func (m *CircleModule) Post(c *hooks.Call, _ *hooks.Result) {
	if c.Op == hooks.OpRename || c.Op == hooks.OpLink {
		m.marks.clear(c)
	}
}

var _ interface {
	hooks.Module
	hooks.Pre
	hooks.Post
	hooks.Kernel
} = (*CircleModule)(nil)

// marks are the objects that are being moved into a circle.
type marks struct {
	some atomic.Int32
	mu   sync.Mutex
	list map[arrival][]*reserve
}

// arrival is one object and the place that it is moved to.
type arrival struct {
	object, dir inode.Key
	name        string
}

func (m *marks) set(t take) {
	if t.file == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.list == nil {
		m.list = map[arrival][]*reserve{}
	}
	a := arrival{t.file.Key(), t.dir.Key(), t.name}
	m.list[a] = append(m.list[a], t.line)
	m.some.Add(1)
}

// clear takes back what set did for a call, if anything.
func (m *marks) clear(c *hooks.Call) {
	if m.some.Load() == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(c.File, c.NewDir, c.NewName)
	m.drop(c.NewFile, c.Dir, c.Name)
}

func (m *marks) drop(f, dir hooks.File, name string) {
	if f == nil || dir == nil {
		return
	}
	a := arrival{f.Key(), dir.Key(), name}
	n := len(m.list[a])
	if n == 0 {
		return
	}
	m.list[a] = m.list[a][:n-1]
	if n == 1 {
		delete(m.list, a)
	}
	m.some.Add(-1)
}

// lines gives what reserves an object that is being moved.
func (m *marks) lines(key inode.Key) (all []*reserve) {
	if m.some.Load() == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for a, list := range m.list {
		if a.object == key {
			all = append(all, list...)
		}
	}
	return all
}
