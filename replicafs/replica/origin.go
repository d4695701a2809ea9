package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Hidden is the folder in the destination's root that is ours. A source can't have one of that name in its root.
const Hidden = ".klw-replica"

// RootID is the root's object id.
const RootID = 1

// idXattr carries an object's id and the number of the record that put it where it is (kept up for directories only),
// 8 bytes each, little-endian.
const idXattr = "trusted.klw.id"

// Origin says whose replica a destination is.
type Origin struct {
	UUID   string `json:"uuid"`
	Source string `json:"source"`
}

// Errors of a destination.
var (
	ErrNotEmpty = errors.New("the destination is not empty and not a replica")
	ErrForeign  = errors.New("the destination is the replica of something else")
)

// ReadOrigin tells whose replica path is; os.ErrNotExist if it is none.
func ReadOrigin(path string) (Origin, error) {
	b, err := os.ReadFile(filepath.Join(path, Hidden, "origin"))
	if err != nil {
		return Origin{}, err
	}
	var o Origin
	if err := json.Unmarshal(b, &o); err != nil {
		return Origin{}, fmt.Errorf("read %s/origin: %w", Hidden, err)
	}
	return o, nil
}

// Prepare makes path the replica of o, if it isn't yet: an empty folder becomes one, our own is left as it is,
// anything else is refused. It says whether the replica is new.
func Prepare(path string, o Origin) (fresh bool, err error) {
	have, err := ReadOrigin(path)
	switch {
	case err == nil && have.UUID == o.UUID:
		return false, nil
	case err == nil:
		return false, fmt.Errorf("%w (%s): %s", ErrForeign, have.Source, path)
	case !errors.Is(err, os.ErrNotExist):
		return false, err
	}
	if err := checkEmpty(path); err != nil {
		return false, err
	}
	if err := setID(path, RootID, RootID); err != nil {
		return false, fmt.Errorf("%s can't hold a replica, its file system has no trusted extended attributes: %w", path, err)
	}
	hidden := filepath.Join(path, Hidden)
	for _, dir := range []string{hidden, filepath.Join(hidden, "limbo")} {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return false, fmt.Errorf("prepare the destination: %w", err)
		}
	}
	return true, writeJSON(hidden, "origin", o)
}

// checkEmpty refuses a folder with anything in it but the beginnings of our own.
func checkEmpty(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != Hidden && e.Name() != "lost+found" {
			return fmt.Errorf("%w: %s", ErrNotEmpty, path)
		}
	}
	return nil
}

// writeJSON replaces dir/name so that after a crash it is the old or the new one.
func writeJSON(dir, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, name+".new")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(tmp, filepath.Join(dir, name))
}

// lock takes the destination for this process; the descriptor holds it.
func lock(path string, wait func() error) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(path, Hidden, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if err != unix.EWOULDBLOCK {
			f.Close()
			return nil, err
		}
		if err := wait(); err != nil {
			f.Close()
			return nil, err
		}
	}
}
