package guard

import (
	"fmt"
	"log/slog"

	"klw/internal/handshake"
	"klw/netguard/link"
)

// link makes the container's network, if it has one of its own, and publishes ports.
func (g *guard) link(a handshake.Attach) error {
	if !a.NewNet {
		if len(g.policy.Publish) > 0 {
			return fmt.Errorf("%s: a port can only be published for a container with a network namespace of its own: ask for a new one in config.json (linux.namespaces, type network, no path)", g.policy.Publish[0].Pos)
		}
		return nil
	}
	table, veth := link.Names(g.setup.ID)
	if err := g.traces.change(func(t *handshake.Traces) { t.Table, t.Veth = table, veth }); err != nil {
		return err
	}
	l, err := link.Setup(link.Options{ID: g.setup.ID, PID: a.PID, Publish: g.policy.Publish})
	if err != nil {
		return err
	}
	g.undo.push("take the container's network away", l.Close)
	for _, note := range l.Notes {
		slog.Warn(note)
		g.warnings = append(g.warnings, note)
	}
	return nil
}

// cleanLink takes away what link made.
func cleanLink(t *handshake.Traces) error { return link.Cleanup(t.Table, t.Veth) }
