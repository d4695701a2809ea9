// Package ops is what klwctl and klw-guard do with replications: start one, end it, ask it.
//
// A replication is known by its source. Its server is a process of its own (klw-replicafs), which these functions find
// through the folder layout.Root.Replicas()/NAME, where NAME is derived from the source (replicafs.Name).
package ops

import (
	"time"

	"klw/internal/layout"
)

// Ack says when fsync of a replicated file returns.
type Ack string

// The ack modes.
const (
	AckMemory Ack = "memory" // the journal is in the page cache: survives the death of processes, not of the machine
	AckDisk   Ack = "disk"   // the journal is on disk
)

// The methods of klw-replicafs that package control doesn't name.
const (
	MethodStop   = "replica.stop"   // end in good order
	MethodResync = "replica.resync" // compare all contents, journal what differs
)

// MountOptions describe a replication to start.
type MountOptions struct {
	Root        layout.Root
	Source      string // an existing directory
	Mountpoint  string // an existing directory; may be Source itself, which it then covers
	Destination string // a directory, empty or the replica of this source; made if it doesn't exist
	Ack         Ack    // "" is AckMemory
}

// Status is what `klwctl replica status` shows of one replication.
type Status struct {
	Name        string    `json:"name"`
	Source      string    `json:"source"`
	Mountpoint  string    `json:"mountpoint"`
	Destination string    `json:"destination"`
	Ack         Ack       `json:"ack"`
	State       string    `json:"state"` // copying, running, stopping, stopped, dead, failed
	Error       string    `json:"error,omitempty"`
	PID         int       `json:"pid,omitempty"`
	Applier     int       `json:"applier,omitempty"` // pid of klw-replica
	Restarts    int       `json:"restarts"`          // of the applier
	Sequence    uint64    `json:"sequence"`          // of the last record
	Applied     uint64    `json:"applied"`           // of the last record that the replica has
	Durable     uint64    `json:"durable"`           // of the last record that the replica has on disk
	Lag         uint64    `json:"lag"`               // operations
	LagSeconds  float64   `json:"lagSeconds"`        // age of the oldest record not applied
	Copy        *Progress `json:"copy,omitempty"`    // while copying
	Resyncs     int       `json:"resyncs"`           // comparisons because something was changed past the mount
	Note        string    `json:"note,omitempty"`
	Since       time.Time `json:"since"`
}

// Progress of a first copy or resync.
type Progress struct {
	Files     int64 `json:"files"` // whose contents are to be copied
	FilesDone int64 `json:"filesDone"`
	Bytes     int64 `json:"bytes"` // in files to be copied, as they were at the beginning
}

// Report is the result of a comparison of source and replica.
type Report struct {
	Source      string       `json:"source"`
	Destination string       `json:"destination"`
	Sequence    uint64       `json:"sequence"` // the state that was compared
	Objects     int64        `json:"objects"`
	Bytes       int64        `json:"bytes"`
	Differences []Difference `json:"differences"`
}

// Equal tells whether nothing differs.
func (r Report) Equal() bool { return len(r.Differences) == 0 }

// Difference is one thing that the replica has otherwise.
type Difference struct {
	Path        string `json:"path"`
	What        string `json:"what"` // missing, extra, type, mode, owner, size, mtime, content, target, links, xattr NAME, device
	Source      string `json:"source,omitempty"`
	Destination string `json:"destination,omitempty"`
}
