// Package layout says where klw keeps things on the host. Nothing else builds such paths.
package layout

import "path/filepath"

// DefaultRoot is where containers' states are kept unless --root says otherwise.
const DefaultRoot = "/run/klw"

// Root is the folder that --root names. All containers of one root know each other.
type Root string

// Container gives the folder of a container's state. It exists exactly as long as the container does.
func (r Root) Container(id string) Dir { return Dir(filepath.Join(string(r), "containers", id)) }

// Containers gives the folder of all of them.
func (r Root) Containers() string { return filepath.Join(string(r), "containers") }

// Lib is what outlives containers and reboots: /var/lib/klw for the default root, a folder of the root otherwise.
func (r Root) Lib() string {
	if r == DefaultRoot {
		return "/var/lib/klw"
	}
	return filepath.Join(string(r), "lib")
}

// Events is the folder of the event logs, one file a container: ID.jsonl.
func (r Root) Events() string { return filepath.Join(r.Lib(), "events") }

// Replicas is the folder of the replications, one folder a source.
func (r Root) Replicas() string { return filepath.Join(r.Lib(), "replica") }

// Policies is the administrator's policy folder.
func (r Root) Policies() string {
	if r == DefaultRoot {
		return "/etc/klw/policies"
	}
	return filepath.Join(string(r), "policies")
}

// PolicyFile is the administrator's policy of that name.
func (r Root) PolicyFile(name string) string { return filepath.Join(r.Policies(), name+".policy") }

// Dir is the state folder of one container.
type Dir string

func (d Dir) join(name string) string { return filepath.Join(string(d), name) }

// State is the OCI state and what klw-runc needs besides.
func (d Dir) State() string { return d.join("state.json") }

// Lock orders the calls on one container.
func (d Dir) Lock() string { return d.join("lock") }

// Config is the bundle's config.json as it was at create.
func (d Dir) Config() string { return d.join("config.json") }

// ExecFifo is what start opens to let the application go.
func (d Dir) ExecFifo() string { return d.join("exec.fifo") }

// Policy is the policy in force (package policy: Texts): as it was checked at create, or loaded since. The guard and exec
// read it there.
func (d Dir) Policy() string { return d.join("policy.json") }

// Guard is what the guard left for cleaning up after it (package handshake: Traces).
func (d Dir) Guard() string { return d.join("guard.json") }

// GuardLog is the guard's own log.
func (d Dir) GuardLog() string { return d.join("guard.log") }

// Control is the guard's control socket (package control).
func (d Dir) Control() string { return d.join("control.sock") }

// Seccomp is where klw-init hands over the listener of klw's seccomp filter.
func (d Dir) Seccomp() string { return d.join("seccomp.sock") }
