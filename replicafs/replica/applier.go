package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"klw/replicafs"
	"klw/replicafs/journal"
)

// Applier applies records to a destination.
type Applier struct {
	path   string
	root   int
	limbo  int
	lock   *os.File
	source *replicafs.Source
	index  *index
	open   *handles

	now         uint64 // number of the record at work
	replayTo    uint64 // up to here the replica may be ahead of the records
	applied     atomic.Uint64
	fetched     atomic.Int64
	copied      atomic.Int64 // bytes of fetched files
	unsupported atomic.Int64 // attributes that this file system can't hold
	foreign     atomic.Int64 // names that somebody else put in the way
}

// Options of an Applier.
type Options struct {
	Path     string
	UUID     string            // which replication it must be the replica of
	Source   *replicafs.Source // for Fetch records; may be nil
	ReplayTo uint64            // number of the last record that an earlier Applier may have applied
	Wait     func() error      // called while another process holds the replica; an error gives up
}

// Open takes the replica for this process and reads its index.
func Open(o Options) (*Applier, error) {
	origin, err := ReadOrigin(o.Path)
	if err != nil {
		return nil, fmt.Errorf("open the replica %s: %w", o.Path, err)
	}
	if origin.UUID != o.UUID {
		return nil, fmt.Errorf("%w (%s): %s", ErrForeign, origin.Source, o.Path)
	}
	a := &Applier{path: o.Path, root: -1, limbo: -1, source: o.Source, replayTo: o.ReplayTo, index: newIndex(), open: newHandles()}
	if a.lock, err = lock(o.Path, o.Wait); err != nil {
		return nil, fmt.Errorf("lock the replica: %w", err)
	}
	if err := a.openFolders(); err != nil {
		a.Close()
		return nil, fmt.Errorf("open the replica %s: %w", o.Path, err)
	}
	if err := a.build(); err != nil {
		a.Close()
		return nil, err
	}
	a.applied.Store(a.cursor())
	return a, nil
}

func (a *Applier) openFolders() (err error) {
	if a.root, err = unix.Open(a.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	hidden, err := replicafs.OpenObject(a.root, Hidden)
	if err != nil {
		return err
	}
	defer unix.Close(hidden)
	a.limbo, err = replicafs.OpenObject(hidden, "limbo")
	return err
}

// Reopen closes the applier and gives one that has read the replica anew. The lock is kept.
func (a *Applier) Reopen() (*Applier, error) {
	b := &Applier{path: a.path, root: -1, limbo: -1, source: a.source, replayTo: a.replayTo, index: newIndex(),
		open: newHandles()}
	b.unsupported.Store(a.unsupported.Load())
	b.foreign.Store(a.foreign.Load())
	b.applied.Store(a.applied.Load())
	b.fetched.Store(a.fetched.Load())
	b.copied.Store(a.copied.Load())
	if err := errors.Join(b.openFolders(), b.build()); err != nil {
		b.closeFolders()
		return nil, fmt.Errorf("read the replica anew: %w", err)
	}
	b.lock = a.lock
	a.closeFolders()
	return b, nil
}

// LeaveOut counts a record as applied that can't be.
func (a *Applier) LeaveOut(r *journal.Record) { a.applied.Store(r.Seq) }

func (a *Applier) closeFolders() {
	a.open.closeAll()
	for _, fd := range []int{a.root, a.limbo} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// Close gives the replica up.
func (a *Applier) Close() error {
	a.closeFolders()
	return a.lock.Close()
}

// Applied is the number of the last record that was applied; at first, of the last one on disk.
func (a *Applier) Applied() uint64 { return a.applied.Load() }

// Fetched is how many Fetch records were applied.
func (a *Applier) Fetched() int64 { return a.fetched.Load() }

// Copied is how many bytes of fetched files were looked at.
func (a *Applier) Copied() int64 { return a.copied.Load() }

// Oddities says what was met that status should tell; "" if nothing.
func (a *Applier) Oddities() string {
	if n := a.unsupported.Load(); n > 0 {
		return fmt.Sprintf("the destination's file system can't hold %d extended attributes", n)
	}
	if n := a.foreign.Load(); n > 0 {
		return fmt.Sprintf("%d names that somebody else made in the replica were removed", n)
	}
	return ""
}

type cursor struct {
	Sequence uint64 `json:"sequence"`
}

// ReadCursor gives the number of the last record that the replica at path has on disk, 0 for a new one.
func ReadCursor(path string) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(path, Hidden, "cursor"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var c cursor
	if err := json.Unmarshal(b, &c); err != nil {
		return 0, fmt.Errorf("read the replica's cursor: %w", err)
	}
	return c.Sequence, nil
}

func (a *Applier) cursor() uint64 {
	n, err := ReadCursor(a.path)
	if err != nil {
		return 0
	}
	return n
}

// Checkpoint brings the replica to disk, then notes up to which record it is there. It may run beside Apply.
func (a *Applier) Checkpoint() (uint64, error) {
	seq := a.applied.Load()
	if err := unix.Syncfs(a.root); err != nil {
		return 0, fmt.Errorf("bring the replica to disk: %w", err)
	}
	if err := writeJSON(filepath.Join(a.path, Hidden), "cursor", cursor{seq}); err != nil {
		return 0, fmt.Errorf("save the cursor: %w", err)
	}
	return seq, nil
}
