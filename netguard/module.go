package netguard

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

// Options say what to guard.
type Options struct {
	Policy  *policy.Policy
	Cgroup  string         // the container's v2 cgroup, absolute; it exists already
	Observe hooks.Observer // is told each refusal, one after the other; may be nil
	Users   Users          // for @user lists by name; nil if there are none
	Lost    func(n uint64) // is told how many more refusals were lost; may be nil
	Learn   bool           // begins to learn as soon as it is loaded, before anything could be refused
}

// Module is the module "sockets": hooks.Module and hooks.Kernel.
type Module struct {
	opts Options
	caps Capabilities

	rules atomic.Pointer[Rules] // in force

	mu     sync.Mutex
	kernel *kernel         // nil: not prepared
	ring   *ringbuf.Reader // with kernel
	cgroup *os.File        // nil: not loaded
	reader *reader         // with cgroup
	told   uint64          // lost refusals that Options.Lost knows of; the reader's
}

// errNotLoaded is what asking an unloaded module gives.
var errNotLoaded = errors.New("the socket rules are not loaded")

// New checks that the policy's socket rules can be enforced on this kernel. Nothing is loaded yet.
func New(opts Options) (*Module, error) {
	if opts.Observe == nil {
		opts.Observe = func(*hooks.Call, hooks.Info, hooks.Verdict) {}
	}
	if opts.Lost == nil {
		opts.Lost = func(uint64) {}
	}
	caps, err := probe()
	if err != nil {
		return nil, err
	}
	m := &Module{opts: opts, caps: caps}
	r, err := m.check(opts.Policy)
	if err != nil {
		return nil, err
	}
	m.rules.Store(r)
	return m, nil
}

// check binds a policy's rules and refuses what this kernel can't enforce.
func (m *Module) check(p *policy.Policy) (*Rules, error) {
	r, err := NewRules(p, m.opts.Users)
	if err != nil {
		return nil, err
	}
	if rule, ok := r.firstUnix(); ok && !m.caps.AbstractConnect {
		return nil, fmt.Errorf("%s: %q: this kernel can't decide on abstract names (it takes Linux 6.7 or later)", rule.Pos, rule)
	}
	return r, nil
}

// Info describes the module.
func (m *Module) Info() hooks.Info {
	return hooks.Info{
		Name:        "sockets",
		Description: "socket rules, asked by the kernel at every socket, bind, connect, send and first packet",
		Monitors:    hooks.Ops(hooks.OpSocket, hooks.OpBind, hooks.OpListen, hooks.OpConnect, hooks.OpSend),
	}
}

// Capabilities tells what this kernel can decide.
func (m *Module) Capabilities() Capabilities { return m.caps }

// Prepare does what Load does before it attaches anything. It may run while the container's cgroup is made; without it
// Load does all.
func (m *Module) Prepare() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.prepare()
}

func (m *Module) prepare() (err error) {
	if m.kernel != nil {
		return nil
	}
	k, err := loadKernel(m.caps, m.rules.Load())
	if err != nil {
		return err
	}
	if err = k.selftest(m.rules.Load()); err == nil {
		m.ring, err = k.drained()
	}
	if err != nil {
		k.close()
		return err
	}
	m.kernel = k
	return nil
}

// Load puts the rules into force: all of them or, with an error, none.
func (m *Module) Load() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cgroup != nil {
		return errors.New("the socket rules are loaded already")
	}
	cgroup, err := os.Open(m.opts.Cgroup)
	if err != nil {
		return fmt.Errorf("open the container's cgroup: %w", err)
	}
	if err = m.prepare(); err == nil && m.opts.Learn {
		err = m.kernel.learn(true)
	}
	if err == nil {
		if err = m.kernel.attach(cgroup); err == nil {
			if err = m.kernel.attached(cgroup); err != nil {
				err = errors.Join(err, m.kernel.detach(cgroup, hooksInOrder))
			}
		}
	}
	if err != nil {
		return errors.Join(err, cgroup.Close(), m.forget())
	}
	m.cgroup, m.told = cgroup, 0
	m.reader = startReader(m.ring, m.observe, m.tellLost)
	return nil
}

// forget lets go of what prepare made.
func (m *Module) forget() (err error) {
	if m.kernel != nil {
		err = m.ring.Close()
		m.kernel.close()
	}
	m.kernel, m.ring = nil, nil
	return err
}

// drained opens the ring and forgets what the self-test left.
func (k *kernel) drained() (*ringbuf.Reader, error) {
	ring, err := ringbuf.NewReader(k.Events)
	if err != nil {
		return nil, fmt.Errorf("open the ring of events: %w", err)
	}
	for ring.AvailableBytes() > 0 {
		if _, err := ring.Read(); err != nil {
			ring.Close()
			return nil, fmt.Errorf("empty the ring of events: %w", err)
		}
	}
	if err := k.resetCounters(); err != nil {
		ring.Close()
		return nil, err
	}
	return ring, nil
}

// Unload takes the rules out of force. After an error the module counts as loaded still and can be unloaded again.
func (m *Module) Unload() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cgroup == nil {
		return m.forget()
	}
	if err := m.kernel.detach(m.cgroup, hooksInOrder); err != nil {
		return err
	}
	err := errors.Join(m.reader.stop(), m.cgroup.Close(), m.forget())
	m.cgroup, m.reader = nil, nil
	return err
}

// Replace puts another policy's socket rules into force, or with an error leaves those that are.
func (m *Module) Replace(p *policy.Policy) error {
	r, err := m.check(p)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kernel != nil {
		if err := m.kernel.install(r); err != nil {
			return err
		}
	}
	m.rules.Store(r)
	return nil
}

// Decide answers a question by the rules in force, for explaining.
func (m *Module) Decide(q Question) Answer { return m.rules.Load().Decide(q) }

// Stats counts what has been refused and lost.
func (m *Module) Stats() (Stats, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cgroup == nil {
		return Stats{}, errNotLoaded
	}
	return m.kernel.stats()
}

// observe tells a refusal, with what the rules say about it.
func (m *Module) observe(c *hooks.Call, q Question) {
	a := m.rules.Load().refuse(q.normal())
	m.opts.Observe(c, m.Info(), hooks.Verdict{Errno: unix.EPERM, Rule: a.Rule, Hint: a.Hint})
}

// tellLost runs on the reader, which ends before kernel goes.
func (m *Module) tellLost() {
	s, err := m.kernel.stats()
	if err == nil && s.Lost > m.told {
		m.opts.Lost(s.Lost - m.told)
		m.told = s.Lost
	}
}
