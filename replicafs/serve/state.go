package serve

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"klw/replicafs"
	"klw/replicafs/journal"
	"klw/replicafs/replica"
)

// ErrRunning means that another klw-replicafs replicates the source.
var ErrRunning = errors.New("the source is replicated already")

// takeFolder makes and locks the replication's folder.
func takeFolder(f replicafs.Folder) (*os.File, error) {
	if err := os.MkdirAll(f.Journal(), 0o700); err != nil {
		return nil, fmt.Errorf("make the replication's folder: %w", err)
	}
	lock, err := os.OpenFile(f.Lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = flock(lock)
	for late := time.Now().Add(dyingTime); errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(late); err = flock(lock) {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		pid, _ := os.ReadFile(f.Lock())
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w, by process %s", ErrRunning, strings.TrimSpace(string(pid)))
		}
		return nil, err
	}
	if err := lock.Truncate(0); err != nil {
		lock.Close()
		return nil, err
	}
	_, err = fmt.Fprintln(lock, os.Getpid())
	return lock, err
}

// clockTick is more than the clock of file systems is coarse, or adjusted at a time.
const clockTick = time.Second

// dyingTime is how long a predecessor that was killed may take to be gone.
const dyingTime = time.Second

func flock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// kept is what earlier runs left.
type kept struct {
	config replicafs.Config
	clean  bool      // the last run ended in good order, and with this destination
	fresh  bool      // the destination was empty
	since  time.Time // of the clean end
}

func (k kept) why() string {
	switch {
	case k.fresh:
		return "first copy"
	case k.clean:
		return "start after a clean end"
	}
	return "start after an unclean end"
}

// takeUp reads what earlier runs left, and makes the destination ours. Another destination than before, or one of an
// earlier life of this source, is compared completely.
func takeUp(f replicafs.Folder, p paths, ack string) (kept, error) {
	k := kept{config: replicafs.Config{Source: p.source, Mountpoint: p.mountpoint, Destination: p.destination, Ack: ack}}
	old, err := ReadConfig(f)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return k, err
	}
	ended, cleanErr := os.Stat(f.Clean())
	k.clean = cleanErr == nil && old.Destination == p.destination
	if k.clean {
		k.since = ended.ModTime().Add(-clockTick)
	}
	origin, err := replica.ReadOrigin(p.destination)
	switch {
	case err == nil && origin.Source == p.source:
		k.config.UUID = origin.UUID
		k.clean = k.clean && origin.UUID == old.UUID
	case err == nil || errors.Is(err, os.ErrNotExist):
		k.config.UUID = rand.Text()
	default:
		return k, err
	}
	fresh, err := replica.Prepare(p.destination, replica.Origin{UUID: k.config.UUID, Source: p.source})
	if err != nil {
		return k, err
	}
	k.clean, k.fresh = k.clean && !fresh, fresh
	return k, writeConfig(f, k.config)
}

// ReadConfig reads what a replication was last started with.
func ReadConfig(f replicafs.Folder) (c replicafs.Config, err error) {
	b, err := os.ReadFile(f.Config())
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("read %s: %w", f.Config(), err)
	}
	return c, nil
}

func writeConfig(f replicafs.Folder, c replicafs.Config) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	tmp := f.Config() + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return os.Rename(tmp, f.Config())
}

// openJournal opens the journal behind its last record. If the replica is where the journal isn't, the journal starts
// anew behind both, and clean is false.
func openJournal(f replicafs.Folder, destination string, o journal.Options) (w *journal.Writer, clean bool, err error) {
	cursor, err := replica.ReadCursor(destination)
	if err != nil {
		return nil, false, err
	}
	w, found, err := journal.Open(f.Journal(), o)
	if err != nil {
		return nil, false, err
	}
	fits := found.Lost == "" && cursor <= found.Last && (found.First == 0 && cursor == w.Seq() || found.First != 0 && found.First <= cursor+1)
	if fits {
		return w, true, nil
	}
	next := max(cursor, w.Seq()) + 1
	if err := w.Close(); err != nil {
		return nil, false, err
	}
	w, err = journal.Restart(f.Journal(), next, o)
	return w, false, err
}

// dirty notes that a run has begun; cleanEnd that it ended well.
func dirty(f replicafs.Folder) error {
	if err := os.Remove(f.Clean()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return syncFolder(f)
}

func cleanEnd(f replicafs.Folder) error {
	if err := os.WriteFile(f.Clean(), nil, 0o600); err != nil {
		return err
	}
	return syncFolder(f)
}

func syncFolder(f replicafs.Folder) error {
	dir, err := os.Open(string(f))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
