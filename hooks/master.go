package hooks

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// ID is a module's number in its master, given in order of registration and never used twice.
type ID uint32

// Entry is a registered module.
type Entry struct {
	ID ID
	Info
	Calls   uint64 // monitored calls that reached the module
	Refused uint64 // of these, refused by it
}

// Observer is told each refusal. It runs on the caller's goroutine and must not block for long.
type Observer func(*Call, Info, Verdict)

// Errors of the registry.
var (
	ErrBusy      = errors.New("modules are still registered")
	ErrClosed    = errors.New("the master is closed")
	ErrDuplicate = errors.New("a module of this name is registered already")
	ErrNotFound  = errors.New("no such module")
	ErrPermanent = errors.New("the module can't be unloaded")
)

// Master holds the modules of one server. All methods may be called at any time from any goroutine.
type Master struct {
	observe Observer
	stack   atomic.Pointer[stack]

	mu     sync.Mutex // registry changes
	nextID ID
	closed bool
}

// NewMaster makes a master without modules. observe may be nil.
func NewMaster(observe Observer) *Master {
	if observe == nil {
		observe = func(*Call, Info, Verdict) {}
	}
	m := &Master{observe: observe, nextID: 1}
	m.stack.Store(newStack(nil))
	return m
}

// stack is one state of the registry: never changed, only replaced.
type stack struct {
	all  []*slot
	byOp [numOperations][]*slot
}

type slot struct {
	id     ID
	info   Info
	module Module
	pre    Pre
	post   Post

	door    door // a call is inside the module from its Pre to its Post
	calls   atomic.Uint64
	refused atomic.Uint64
}

func newStack(all []*slot) *stack {
	s := &stack{all: all}
	for _, sl := range all {
		if sl.pre == nil && sl.post == nil {
			continue
		}
		for _, op := range sl.info.Monitors.List() {
			s.byOp[op] = append(s.byOp[op], sl)
		}
	}
	return s
}

// Register puts a module on top of the stack. A Kernel module is loaded first; if that fails it is not registered.
func (m *Master) Register(mod Module) (ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, ErrClosed
	}
	info := mod.Info()
	old := m.stack.Load().all
	for _, s := range old {
		if s.info.Name == info.Name {
			return 0, fmt.Errorf("register %s: %w", info.Name, ErrDuplicate)
		}
	}
	sl := &slot{id: m.nextID, info: info, module: mod, door: newDoor()}
	sl.pre, _ = mod.(Pre)
	sl.post, _ = mod.(Post)
	if k, ok := mod.(Kernel); ok {
		if err := k.Load(); err != nil {
			return 0, fmt.Errorf("register %s: %w", info.Name, err)
		}
	}
	m.nextID++
	m.stack.Store(newStack(append(append([]*slot(nil), old...), sl)))
	return sl.id, nil
}

// Unregister takes the module of that name out, and returns when no call is inside it. It takes permanent modules
// too: refusing those is the control channel's matter (Unload). While it waits, the registry can't be changed.
func (m *Master) Unregister(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.remove(name); err != nil {
		return fmt.Errorf("unregister %s: %w", name, err)
	}
	return nil
}

// Unload is Unregister at somebody's request: permanent modules are refused.
func (m *Master) Unload(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.stack.Load().all {
		if s.info.Name == name && s.info.Permanent {
			return fmt.Errorf("unload %s: %w", name, ErrPermanent)
		}
	}
	if err := m.remove(name); err != nil {
		return fmt.Errorf("unload %s: %w", name, err)
	}
	return nil
}

func (m *Master) remove(name string) error {
	var rest []*slot
	var sl *slot
	for _, s := range m.stack.Load().all {
		if s.info.Name == name {
			sl = s
		} else {
			rest = append(rest, s)
		}
	}
	if sl == nil {
		return ErrNotFound
	}
	if k, ok := sl.module.(Kernel); ok {
		if err := k.Unload(); err != nil {
			return err
		}
	}
	m.stack.Store(newStack(rest))
	sl.door.shut()
	return nil
}

// Close ends the master. It refuses while modules are registered.
func (m *Master) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.stack.Load().all); n > 0 {
		return fmt.Errorf("%w (%d)", ErrBusy, n)
	}
	m.closed = true
	return nil
}

// Modules lists what is registered, in stack order.
func (m *Master) Modules() []Entry {
	var list []Entry
	for _, s := range m.stack.Load().all {
		list = append(list, Entry{ID: s.id, Info: s.info, Calls: s.calls.Load(), Refused: s.refused.Load()})
	}
	return list
}

// Monitored tells whether any module watches op.
func (m *Master) Monitored(op Operation) bool { return len(m.stack.Load().byOp[op]) > 0 }

// Run takes a call through the stack. do performs the operation with the parameters of c as the Pres left them; it is
// not called when a module refuses. The result is do's, or the refusal's errno.
func (m *Master) Run(c *Call, do func() Result) Result {
	slots := m.stack.Load().byOp[c.Op]
	if len(slots) == 0 {
		return do()
	}
	return m.run(slots, c, do)
}

// run goes through the rest of the stack from the first of slots on.
func (m *Master) run(slots []*slot, c *Call, do func() Result) Result {
	if len(slots) == 0 {
		return do()
	}
	s := slots[0]
	if !s.door.enter() { // unregistered since the stack was read
		return m.run(slots[1:], c, do)
	}
	defer s.door.leave()
	s.calls.Add(1)
	if s.pre != nil {
		if v := s.pre.Pre(c); v.Refused() {
			s.refused.Add(1)
			m.observe(c, s.info, v)
			return Result{Errno: v.Errno}
		}
	}
	res := m.run(slots[1:], c, do)
	if s.post != nil {
		s.tell(c, res)
	}
	return res
}

// tell gives the module a result of its own: what it does to it reaches nobody else.
func (s *slot) tell(c *Call, res Result) { s.post.Post(c, &res) }
