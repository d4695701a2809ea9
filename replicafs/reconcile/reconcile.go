package reconcile

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/inode"
	"klw/replicafs"
	"klw/replicafs/journal"
	"klw/replicafs/replica"
)

// ErrNested means that one of source and destination is inside the other.
var ErrNested = errors.New("the destination is inside the source")

// Options of a run.
type Options struct {
	Journal  *journal.Writer
	Source   *replicafs.Source
	Replica  string                          // path of the destination
	Full     bool                            // compare all contents, not only of files whose size or time differs
	Since    time.Time                       // and those changed (ctime) since then; zero: no
	Identify func(fd int) (inode.Key, error) // as the module's files do
	SetID    func(inode.Key, uint64)         // told of every object
	Open     func(id uint64) bool            // whether an object without a name is open; nil: none is
	Wait     func() error                    // called while the journal is full; an error gives up
	Why      string                          // what the Mark record at the end says
}

// Result is what a run found.
type Result struct {
	Objects int64
	Changes int64 // records that were written, without Fetch
	Files   int64 // to fetch
	Bytes   int64 // in these
}

type run struct {
	Options
	res     Result
	ids     map[inode.Key]uint64
	claimed map[uint64]bool // ids that the replica goes on with
	removed map[uint64]bool // ids that lost a name
	dest    unix.Stat_t
}

// Run compares the trees and writes the records. Nothing may change the source meanwhile, and everything journaled
// before must have been applied.
func Run(o Options) (Result, error) {
	r := &run{Options: o, ids: map[inode.Key]uint64{}, claimed: map[uint64]bool{}, removed: map[uint64]bool{}}
	if err := r.run(); err != nil {
		return r.res, fmt.Errorf("compare the source with the replica: %w", err)
	}
	return r.res, nil
}

func (r *run) run() error {
	dst, err := unix.Open(r.Replica, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dst)
	if err := unix.Fstat(dst, &r.dest); err != nil {
		return err
	}
	root, err := r.look(r.Source.FD)
	if err != nil {
		return err
	}
	r.claim(root.key, replica.RootID)
	if err := r.attributes(root, dst, replica.RootID); err != nil {
		return err
	}
	if err := r.xattrs(r.Source.FD, dst, replica.RootID); err != nil {
		return err
	}
	if err := r.dir(place{r.Source.FD, dst, replica.RootID, "", root.time()}); err != nil {
		return err
	}
	if err := r.forget(dst); err != nil {
		return err
	}
	return r.emit(&journal.Record{Op: journal.Mark, Text: r.Why})
}

// object is something in the source.
type object struct {
	key inode.Key
	st  unix.Stat_t
}

func (o *object) typ() uint32        { return o.st.Mode & unix.S_IFMT }
func (o *object) time() journal.Time { return replicafs.Time(o.st.Mtim) }

func (r *run) look(fd int) (o object, err error) {
	if err := unix.Fstatat(fd, "", &o.st, unix.AT_EMPTY_PATH); err != nil {
		return o, err
	}
	if o.typ() == unix.S_IFDIR && o.st.Dev == r.dest.Dev && o.st.Ino == r.dest.Ino {
		return o, ErrNested
	}
	o.key, err = r.Identify(fd)
	return o, err
}

func (r *run) claim(key inode.Key, id uint64) {
	r.ids[key] = id
	r.claimed[id] = true
	r.SetID(key, id)
	r.res.Objects++
}

// place is a directory in both trees. dst is -1 where the replica doesn't have it yet.
type place struct {
	src, dst int
	id       uint64
	path     string
	mtime    journal.Time
}

func (r *run) dir(p place) error {
	names, err := replicafs.ReadDir(p.src)
	if err != nil {
		return err
	}
	if p.id == replica.RootID && slices.Contains(names, replica.Hidden) {
		return fmt.Errorf("the source has an entry %s: that name is the replica's own", replica.Hidden)
	}
	if err := r.extra(p, names); err != nil {
		return err
	}
	for _, name := range names {
		if err := r.entry(p, name); err != nil {
			return fmt.Errorf("%s: %w", path.Join("/", p.path, name), err)
		}
	}
	return nil
}

// extra removes the names that only the replica has.
func (r *run) extra(p place, names []string) error {
	if p.dst < 0 {
		return nil
	}
	have, err := replicafs.ReadDir(p.dst)
	if err != nil {
		return err
	}
	for _, name := range have {
		if p.id == replica.RootID && name == replica.Hidden {
			continue
		}
		if _, found := slices.BinarySearch(names, name); found {
			continue
		}
		if err := r.remove(p, p.dst, p.id, name); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) entry(p place, name string) error {
	src, err := replicafs.OpenObject(p.src, name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EXDEV) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(src)
	o, err := r.look(src)
	if err != nil {
		return err
	}
	dst, id := -1, uint64(0)
	if p.dst >= 0 {
		if dst, err = replicafs.OpenObject(p.dst, name); err == nil {
			defer unix.Close(dst)
			if id, err = replica.ID(dst); err != nil {
				return err
			}
		} else if !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return r.pair(p, name, src, dst, o, id)
}

// pair deals with a name of the source, and what the replica has there (dst -1: nothing; id 0: nothing of ours).
func (r *run) pair(p place, name string, src, dst int, o object, id uint64) error {
	full := path.Join(p.path, name)
	if known := r.ids[o.key]; known != 0 {
		if known == id {
			return nil
		}
		if err := r.removeAny(p, dst, name); err != nil {
			return err
		}
		return r.emit(&journal.Record{Op: journal.Link, Object: known, NewParent: p.id, NewName: name,
			NewParentMtime: p.mtime, Valid: journal.HasNewParentMtime})
	}
	if dst < 0 || id == 0 || r.claimed[id] || !alike(src, dst, o) {
		if err := r.removeAny(p, dst, name); err != nil {
			return err
		}
		return r.make(p, name, src, o, full)
	}
	r.claim(o.key, id)
	if err := r.attributes(o, dst, id); err != nil {
		return err
	}
	if err := r.xattrs(src, dst, id); err != nil {
		return err
	}
	switch o.typ() {
	case unix.S_IFREG:
		return r.contents(src, dst, o, id, full)
	case unix.S_IFDIR:
		return r.into(src, dst, id, full, o)
	}
	return nil
}

func (r *run) removeAny(p place, dst int, name string) error {
	if dst < 0 {
		return nil
	}
	return r.remove(p, p.dst, p.id, name)
}

// alike tells whether the replica's object can become equal to the source's by changing it.
func alike(src, dst int, o object) bool {
	var have unix.Stat_t
	if unix.Fstatat(dst, "", &have, unix.AT_EMPTY_PATH) != nil || have.Mode&unix.S_IFMT != o.typ() || have.Rdev != o.st.Rdev {
		return false
	}
	if o.typ() != unix.S_IFLNK {
		return true
	}
	a, errA := replicafs.Readlink(src)
	b, errB := replicafs.Readlink(dst)
	return errA == nil && errB == nil && a == b
}

// into goes down. The descriptors that OpenObject gave are enough to list and to open what is inside.
func (r *run) into(src, dst int, id uint64, full string, o object) error {
	return r.dir(place{src, dst, id, full, o.time()})
}

func (r *run) isOpen(id uint64) bool { return r.Open != nil && r.Open(id) }

// forget ends the ids that nothing in the source goes on with, and what was unlinked but open.
func (r *run) forget(dst int) error {
	limbo, err := replicafs.OpenObject(dst, replica.Hidden+"/limbo")
	if err != nil {
		return err
	}
	defer unix.Close(limbo)
	names, err := replicafs.ReadDir(limbo)
	if err != nil {
		return err
	}
	for _, name := range names {
		if id, err := strconv.ParseUint(name, 10, 64); err == nil {
			r.removed[id] = true
		}
	}
	ids := make([]uint64, 0, len(r.removed))
	for id := range r.removed {
		if !r.claimed[id] && !r.isOpen(id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := r.emit(&journal.Record{Op: journal.Forget, Object: id}); err != nil {
			return err
		}
	}
	return nil
}
