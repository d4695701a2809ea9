package guard

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/handshake"
	"klw/internal/inode"
	"klw/internal/policy"
)

// replica is a replication that this guard started.
type replica struct {
	source, destination string
	server              *helper
}

// replicate starts the policy's replications, each over its source folder on the host, before any view is made: the
// views then show what klw-replicafs serves.
func (g *guard) replicate() error {
	for i := range g.policy.Replicate {
		if err := g.startReplica(&g.policy.Replicate[i]); err != nil {
			return fmt.Errorf("%s: replicate %s: %w", g.policy.Replicate[i].Pos, g.policy.Replicate[i].Source, err)
		}
	}
	return nil
}

func (g *guard) startReplica(r *policy.Replicate) error {
	source, err := g.replicaSource(r.Source)
	if err != nil {
		return err
	}
	destination := r.Destination
	if !filepath.IsAbs(destination) {
		destination = filepath.Join(filepath.Dir(g.setup.Policy), destination)
	}
	key, err := identify(source)
	if err != nil {
		return err
	}
	trace := len(g.traces.now.Replicafs)
	err = g.traces.change(func(t *handshake.Traces) {
		t.Replicafs = append(t.Replicafs, handshake.Replica{Source: source, Inode: key})
	})
	if err != nil {
		return err
	}
	h, err := startHelper("klw-replicafs", "serve", "--root", g.setup.Root, "--source", source, "--mountpoint", source,
		"--to", destination)
	if err != nil {
		return err
	}
	g.undo.push("stop the replication of "+source, func() error { return stopReplica(h, source, key) })
	if err := g.traces.change(func(t *handshake.Traces) { t.Replicafs[trace].Process = h.process }); err != nil {
		return err
	}
	if err := h.waitReady(); err != nil {
		return err
	}
	slog.Info("replicating", "source", source, "destination", destination, "pid", h.process.PID)
	rep := &replica{source: source, destination: destination, server: h}
	g.replicas = append(g.replicas, rep)
	go g.watchReplica(rep)
	return nil
}

// watchReplica tells when a replication dies before its time.
func (g *guard) watchReplica(r *replica) {
	<-r.server.done
	if g.state.Load() != stateEnding {
		slog.Error("klw-replicafs ended: its files are closed", "source", r.source, "error", r.server.err)
		g.notice(audit.OpStop, "replicate", "klw-replicafs of "+r.source+" ended unexpectedly: the folder is closed")
	}
}

// replicaSource finds the folder on the host that the container sees at a path.
func (g *guard) replicaSource(inside string) (string, error) {
	for i, m := range g.setup.Mounts {
		if i == 0 || m.Destination != inside {
			continue
		}
		info, err := os.Stat(m.Source)
		if err != nil {
			return "", err
		}
		if !info.IsDir() {
			return "", errors.New("only folders can be replicated")
		}
		return filepath.EvalSymlinks(m.Source)
	}
	return "", errors.New("the path isn't a mount of the container: give it a bind mount of its own in config.json")
}

// stopReplica ends a replication, drained if it can be, and takes its mount away.
func stopReplica(h *helper, source string, key inode.Key) error {
	err := h.stop()
	return errors.Join(err, uncover(source, key))
}

func (g *guard) replicaStatus() (list []control.Replica) {
	for _, r := range g.replicas {
		list = append(list, control.Replica{
			Source: r.source, Destination: r.destination, PID: r.server.process.PID, Alive: r.server.alive(),
		})
	}
	return list
}

// identify gives the identity of what a path leads to now.
func identify(path string) (inode.Key, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return inode.Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return inode.Key{Dev: st.Dev, Ino: st.Ino}, nil
}
