package replicafs

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"

	"klw/internal/layout"
)

// Name is what the replication of a source is called: the folder's own name, made harmless, and a part of the hash of
// its path.
func Name(source string) string {
	source = filepath.Clean(source)
	sum := sha256.Sum256([]byte(source))
	base := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, filepath.Base(source))
	if len(base) > 24 {
		base = base[:24]
	}
	return strings.TrimLeft(base, ".") + "-" + hex.EncodeToString(sum[:4])
}

// Folder is where the replication called name keeps its things.
type Folder string

// FolderOf gives the folder of a source's replication.
func FolderOf(root layout.Root, source string) Folder {
	return Folder(filepath.Join(root.Replicas(), Name(source)))
}

func (f Folder) join(name string) string { return filepath.Join(string(f), name) }

// Name is the replication's name.
func (f Folder) Name() string { return filepath.Base(string(f)) }

// Journal is the folder of the journal.
func (f Folder) Journal() string { return f.join("journal") }

// Config is what the replication was started with (Config).
func (f Folder) Config() string { return f.join("config.json") }

// Lock is held (flock) by the one klw-replicafs.
func (f Folder) Lock() string { return f.join("lock") }

// Clean exists if the last klw-replicafs ended in good order.
func (f Folder) Clean() string { return f.join("clean") }

// Control is the control socket.
func (f Folder) Control() string { return f.join("control.sock") }

// Log is where a klw-replicafs in the background writes.
func (f Folder) Log() string { return f.join("log") }

// Config is what is kept of a replication between runs.
type Config struct {
	UUID        string `json:"uuid"`
	Source      string `json:"source"`
	Mountpoint  string `json:"mountpoint"`
	Destination string `json:"destination"`
	Ack         string `json:"ack"`
}
