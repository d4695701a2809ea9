// Package seal is the module that holds what klw's own seccomp filter refuses: mounts, namespaces, foreign ABIs, socket
// families that no guard watches, in a sealed container every way back to root, and becoming the owner of a circle
// (MISSION.md A7, C3, E10).
//
// # Concepts
//
// The filter (package seccomp, Contain) is loaded by klw-init right before it executes the application, by the first
// process as by every one that enters later. It asks for each call that it refuses: klw-init hands the listener to this
// module over a UNIX socket, and the module answers and tells each refusal to the observer.
//
// # Guarantees
//
//  1. Load listens before it returns; what klw-init sends afterwards is served.
//  2. Only root may hand over a listener, and the socket's mode lets nobody else connect.
//  3. Each refused call is told once, before it returns to its caller.
//  4. A listener is let go when its last task is gone.
//  5. Being out of descriptors for a while ends nothing.
//  6. Every call that asks for user ids is decided by what Options.Users says at that moment.
//  7. Unload returns when nothing is served any more. What the filters refuse stays refused, with ENOSYS and untold.
//
// # Dangers
//
// The observer runs while the caller waits: a slow one slows refused calls down, and only these.
package seal

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"sync"
	"time"

	"klw/hooks"
	"klw/internal/seccomp"
)

// Options configure the module.
type Options struct {
	Socket  string         // where klw-init hands over its listeners (layout.Dir.Seccomp)
	Observe hooks.Observer // is told each refusal
	Users   func() Users   // says who may become whom now
	Failed  func(error)    // is told what went wrong with one listener; may be nil
}

// Module is the module. Make one with New.
type Module struct {
	options Options

	mu        sync.Mutex // the fields below
	socket    *net.UnixListener
	closers   map[io.Closer]bool // connections and listeners that Unload must end
	unloading bool               // nothing may be added to closers
	running   sync.WaitGroup
}

var (
	_ hooks.Module = (*Module)(nil)
	_ hooks.Kernel = (*Module)(nil)
)

// New makes a module that isn't loaded yet.
func New(o Options) *Module {
	if o.Observe == nil {
		o.Observe = func(*hooks.Call, hooks.Info, hooks.Verdict) {}
	}
	if o.Users == nil {
		o.Users = func() Users { return Users{Seal: "seal"} }
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	return &Module{options: o}
}

// Info describes the module.
func (m *Module) Info() hooks.Info {
	return hooks.Info{
		Name:        "seal",
		Description: "refuses system calls that leave the container, lead back to root or to a circle (seccomp)",
		Monitors:    hooks.Ops(hooks.OpSetuid, hooks.OpSocket, hooks.OpSyscall),
		Permanent:   true,
	}
}

// Load starts to take listeners.
func (m *Module) Load() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.socket != nil {
		return errors.New("seal: loaded already")
	}
	socket, err := listen(m.options.Socket)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	m.socket, m.closers, m.unloading = socket, map[io.Closer]bool{}, false
	m.running.Go(func() { m.accept(socket) })
	return nil
}

// Unload stops: listeners are closed, the socket is removed.
func (m *Module) Unload() error {
	m.mu.Lock()
	socket, closers := m.socket, maps.Clone(m.closers)
	m.socket, m.unloading = nil, true
	m.mu.Unlock()
	if socket == nil {
		return nil
	}
	socket.Close()
	for c := range closers {
		c.Close()
	}
	m.running.Wait()
	if err := os.Remove(m.options.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

func (m *Module) accept(socket *net.UnixListener) {
	for {
		conn, err := socket.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: the application may have taken them, and may give them back
			m.options.Failed(fmt.Errorf("seal: %w", err))
			time.Sleep(pause)
			continue
		}
		m.running.Go(func() {
			if err := m.serve(conn); err != nil {
				m.options.Failed(fmt.Errorf("seal: %w", err))
			}
		})
	}
}

// serve takes a listener from a connection and answers its calls to their end.
func (m *Module) serve(conn *net.UnixConn) error {
	if !m.keep(conn) {
		return nil
	}
	l, err := take(conn)
	m.drop(conn)
	if err != nil || !m.keep(l) {
		return err
	}
	defer m.drop(l)
	return l.Serve(m.answer)
}

// keep notes what Unload must close. With Unload under way it closes c and says false.
func (m *Module) keep(c io.Closer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unloading {
		c.Close()
		return false
	}
	m.closers[c] = true
	return true
}

func (m *Module) drop(c io.Closer) {
	m.mu.Lock()
	delete(m.closers, c)
	m.mu.Unlock()
	c.Close()
}

// answer decides about a call, and tells a refusal to the observer.
func (m *Module) answer(r seccomp.Refused) seccomp.Answer {
	call := hooks.Call{
		Op:     hooks.OpSyscall,
		Caller: hooks.Caller{PID: r.PID, UID: r.UID, GID: r.GID},
		Text:   r.Text,
	}
	answer := seccomp.Refuse
	verdict := hooks.Verdict{Errno: r.Errno, Rule: hooks.NoRule, Hint: "no policy can allow it: " + r.Why}
	switch r.Kind {
	case seccomp.OfSetuid:
		call.Op = hooks.OpSetuid
		answer, verdict = m.options.Users().decide(r)
	case seccomp.OfQueue:
		verdict.Hint = "the rule for the message queues is none: " + r.Why
	case seccomp.OfSocket:
		call.Op = hooks.OpSocket
		call.Socket = &hooks.Socket{Family: uint16(r.Args[0]), Type: uint16(r.Args[1] & 0xf), Protocol: uint16(r.Args[2])}
	}
	if answer == seccomp.Refuse {
		m.options.Observe(&call, m.Info(), verdict)
	}
	return answer
}
