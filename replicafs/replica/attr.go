package replica

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"klw/replicafs"
	"klw/replicafs/journal"
)

// setAttr gives the object that fd (O_PATH) is the record's owner, mode and times, as far as they count.
func (a *Applier) setAttr(fd int, typ uint32, r *journal.Record) error {
	if r.Valid&journal.HasOwner != 0 {
		if err := unix.Fchownat(fd, "", int(r.Attr.UID), int(r.Attr.GID), unix.AT_EMPTY_PATH); err != nil {
			return fmt.Errorf("change the owner: %w", err)
		}
	}
	if r.Valid&journal.HasMode != 0 && typ != unix.S_IFLNK {
		if err := unix.Chmod(replicafs.Proc(fd), r.Attr.Mode&0o7777); err != nil {
			return fmt.Errorf("change the mode: %w", err)
		}
	}
	return setTimes(fd, r)
}

func setTimes(fd int, r *journal.Record) error {
	if r.Valid&(journal.HasAtime|journal.HasMtime) == 0 {
		return nil
	}
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	if r.Valid&journal.HasAtime != 0 {
		ts[0] = timespec(r.Attr.Atime)
	}
	if r.Valid&journal.HasMtime != 0 {
		ts[1] = timespec(r.Attr.Mtime)
	}
	if err := utimens(fd, ts); err != nil {
		return fmt.Errorf("change the times: %w", err)
	}
	return nil
}

func timespec(t journal.Time) unix.Timespec { return unix.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)} }

func utimens(fd int, ts []unix.Timespec) error {
	return unix.UtimesNanoAt(fd, "", ts, unix.AT_EMPTY_PATH)
}

// parentTimes gives the directories that the record changed their times.
func (a *Applier) parentTimes(r *journal.Record) error {
	if r.Valid&journal.HasParentMtime != 0 {
		if err := a.mtime(r.Parent, r.ParentMtime); err != nil {
			return err
		}
	}
	if r.Valid&journal.HasNewParentMtime != 0 {
		return a.mtime(r.NewParent, r.NewParentMtime)
	}
	return nil
}

func (a *Applier) mtime(id uint64, t journal.Time) error {
	h, err := a.get(id)
	if errors.Is(err, errUnknown) {
		return nil // deleted later: place has seen to it that this is only so in a replay
	}
	if err != nil {
		return err
	}
	defer a.put(h)
	return utimens(h.path, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, timespec(t)})
}

// unsupported tells whether the destination's file system can't hold what it was asked to.
func unsupported(err error) bool {
	return errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.E2BIG)
}

// setXattr sets an attribute. One that this file system can't hold is counted, and told by status and verify.
func (a *Applier) setXattr(fd int, name string, value []byte) error {
	if !replicafs.Replicated(name) {
		return nil
	}
	err := unix.Setxattr(replicafs.Proc(fd), name, value, 0)
	if err != nil && unsupported(err) {
		a.unsupported.Add(1)
		return nil
	}
	if err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

func (a *Applier) delXattr(fd int, name string) error {
	if !replicafs.Replicated(name) {
		return nil
	}
	err := unix.Removexattr(replicafs.Proc(fd), name)
	if err == nil || errors.Is(err, unix.ENODATA) || unsupported(err) {
		return nil
	}
	return fmt.Errorf("remove %s: %w", name, err)
}
