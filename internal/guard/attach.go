package guard

import (
	"log/slog"

	"klw/fsguard"
	"klw/hooks"
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
	users, err := containerUsers(g.setup.Mounts)
	if err != nil {
		return err
	}
	g.users = users
	m, warnings, err := fsguard.New(g.policy, g.server, users, fsguard.RootMaySetuid(g.setup.RootMaySetuid))
	if err != nil {
		return err
	}
	for _, w := range warnings {
		g.warnings = append(g.warnings, w.String())
		slog.Warn(w.String())
	}
	g.fileRules = m
	g.modules.add(m.Info(), mastersFiles, g.files, func() (hooks.Module, error) { return m, nil })
	rec := &recorder{log: g.log}
	g.modules.add(rec.Info(), mastersFiles, g.files, func() (hooks.Module, error) { return rec, nil })
	return g.modules.load(m.Info().Name)
}

// attach puts into force what needs the container's first process.
func (g *guard) attach(a handshake.Attach) error {
	if err := g.loadSockets(); err != nil {
		return err
	}
	return g.link(a)
}

// loadSockets puts the socket rules into force on the container's cgroup.
func (g *guard) loadSockets() error {
	make := func() (hooks.Module, error) {
		return netguard.New(netguard.Options{
			Policy: g.policy, Cgroup: g.setup.Cgroup, Observe: g.modules.observe, Users: g.users.UID, Lost: g.log.Lose,
		})
	}
	m, err := make()
	if err != nil {
		return err
	}
	g.modules.add(m.Info(), mastersKernel, g.kernel, make)
	return g.modules.load(m.Info().Name)
}

// endKernel takes the kernel's modules out of force, unless processes are left that they hold: then the programs stay
// attached until the cgroup goes.
func (g *guard) endKernel() error {
	if full, err := g.cgroup.populated(); full || err != nil {
		slog.Warn("the container still runs: its socket rules stay in force")
		return err
	}
	if err := unregisterAll(g.kernel); err != nil {
		return err
	}
	return g.kernel.Close()
}
