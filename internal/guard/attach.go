package guard

import (
	"errors"
	"log/slog"

	"klw/fsguard"
	"klw/hooks"
	"klw/hooks/seal"
	"klw/internal/handshake"
	"klw/netguard"
)

// The masters' names.
const (
	mastersFiles  = "files"
	mastersKernel = "kernel"
)

// bindFiles binds the file rules and puts them into force: before any mount is handed over.
func (g *guard) bindFiles() error {
	b, err := g.bind(g.policy)
	if err != nil {
		return err
	}
	for _, w := range b.warnings {
		slog.Warn(w)
	}
	if err := g.checkTests(g.policy, b); err != nil {
		return err
	}
	now := *g.now.Load()
	now.binding = b
	g.now.Store(&now)
	for _, s := range b.Files {
		if err := g.addFiles(s); err != nil {
			return err
		}
	}
	if b.Circles != nil {
		if err := g.addCircles(b.Circles); err != nil {
			return err
		}
	}
	for _, more := range append([]hooks.Module{&recorder{log: g.log}}, g.extra...) {
		g.modules.add(more.Info(), mastersFiles, g.files, func() (hooks.Module, error) { return more, nil })
	}
	return nil
}

// enforced are the rules that others put into force when the container was created.
func (g *guard) enforced() fsguard.Option {
	var paths []string
	for _, m := range g.setup.Kernel {
		paths = append(paths, m.Rules...)
	}
	return fsguard.Enforced(paths...)
}

// mounts gives those that no view shows, and the others.
func (g *guard) mounts() (unviewed, viewed []string) {
	for _, m := range g.setup.Mounts {
		viewed = append(viewed, m.Destination)
	}
	for _, m := range g.setup.Kernel {
		unviewed = append(unviewed, m.Destination)
	}
	return unviewed, viewed
}

// loadSeal takes the listeners of klw's seccomp filter, from the container's first process on.
func (g *guard) loadSeal() error {
	make := func() (hooks.Module, error) {
		return seal.New(seal.Options{
			Socket: g.dir.Seccomp(), Observe: g.modules.observe, Users: g.becoming,
			Failed: func(err error) { slog.Error("seccomp listener", "error", err) },
		}), nil
	}
	m, _ := make()
	g.modules.add(m.Info(), mastersKernel, g.kernel, make)
	return g.modules.load(m.Info().Name)
}

// attach puts into force what needs the container's first process.
func (g *guard) attach(a handshake.Attach) error {
	<-g.sockets.done
	if g.sockets.err != nil {
		return g.sockets.err
	}
	if g.setup.Learn {
		g.changing.Lock()
		g.noteSockets(g.socketRules.Load())
		g.changing.Unlock()
	}
	if err := checkMember(g.setup.Cgroup, a.PID); err != nil {
		return err
	}
	return g.link(a)
}

// loading is something that goes on beside the rest.
type loading struct {
	done chan struct{}
	err  error // after done
}

// startSockets begins to put the socket rules into force. The kernel checks the programs for a while, which the making
// of views and of the container's first process needn't wait for; attach does.
func (g *guard) startSockets() {
	g.sockets.done = make(chan struct{})
	go func() {
		defer close(g.sockets.done)
		g.sockets.err = g.loadSockets()
	}()
}

// loadSockets puts the socket rules into force on the container's cgroup.
func (g *guard) loadSockets() error {
	make := func() (hooks.Module, error) {
		m, err := netguard.New(netguard.Options{
			Policy: g.now.Load().policy, Cgroup: g.setup.Cgroup, Observe: g.modules.observe, Users: g.users.UID, Lost: g.log.Lose,
			Learn: g.setup.Learn && g.state.Load() == stateStarting,
		})
		if err != nil {
			return nil, err
		}
		g.socketRules.Store(m)
		return m, nil
	}
	m, err := make()
	if err != nil {
		return err
	}
	g.canAbstract.Store(g.socketRules.Load().Capabilities().AbstractConnect)
	g.modules.add(m.Info(), mastersKernel, g.kernel, make)
	return g.modules.load(m.Info().Name)
}

// endKernel takes the kernel's modules out of force, unless processes are left that they hold: then the programs stay
// attached until the cgroup goes.
func (g *guard) endKernel() error {
	if g.sockets.done != nil {
		<-g.sockets.done
	}
	if full, err := g.cgroup.populated(); full || err != nil {
		slog.Warn("the container still runs: its socket rules and system call filter stay in force")
		return errors.Join(err, removeSockets(g.dir)) // what the filter asks is refused when this process is gone
	}
	if err := unregisterAll(g.kernel); err != nil {
		return err
	}
	return g.kernel.Close()
}
