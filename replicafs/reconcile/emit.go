package reconcile

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"klw/replicafs"
	"klw/replicafs/journal"
	"klw/replicafs/replica"
)

// emit writes a record. While the disk has no room it waits for the applier to make some.
func (r *run) emit(rec *journal.Record) error {
	n := rec.Size()
	for {
		err := r.Journal.Reserve(n)
		if err == nil {
			break
		}
		if !errors.Is(err, journal.ErrFull) || r.Wait == nil {
			return err
		}
		if waitErr := r.Wait(); waitErr != nil {
			return errors.Join(err, waitErr)
		}
	}
	defer r.Journal.Release(n)
	rec.Flags |= journal.Resync
	_, err := r.Journal.Append(rec)
	if rec.Op != journal.Fetch && rec.Op != journal.Mark {
		r.res.Changes++
	}
	return err
}

const metadata = journal.HasMode | journal.HasOwner | journal.HasMtime

// make journals a new object and all below it.
func (r *run) make(p place, name string, src int, o object, full string) error {
	rec := &journal.Record{Op: journal.Maker(o.typ()), Parent: p.id, Name: name, Attr: replicafs.Attributes(&o.st),
		Valid: metadata | journal.HasAtime | journal.HasParentMtime, ParentMtime: p.mtime}
	if o.typ() == unix.S_IFLNK {
		target, err := replicafs.Readlink(src)
		if err != nil {
			return err
		}
		rec.Text = target
	}
	xattrs, err := replicafs.Xattrs(src)
	if err != nil {
		return err
	}
	rec.Data = journal.EncodeXattrs(xattrs)
	if err := r.emit(rec); err != nil {
		return err
	}
	r.claim(o.key, rec.Object)
	if o.typ() == unix.S_IFREG && o.st.Size > 0 {
		return r.fetch(src, o, rec.Object, full)
	}
	if o.typ() == unix.S_IFDIR {
		return r.into(src, -1, rec.Object, full, o)
	}
	return nil
}

// fetch journals that a file's contents are to be made equal.
func (r *run) fetch(src int, o object, id uint64, full string) error {
	r.res.Files++
	r.res.Bytes += o.st.Size
	return r.emit(&journal.Record{Op: journal.Fetch, Object: id, Text: full,
		Data: replicafs.Locate(src, full, &o.st).Encode(), Attr: replicafs.Attributes(&o.st), Valid: metadata})
}

// contents decides whether a file must be fetched.
func (r *run) contents(src, dst int, o object, id uint64, full string) error {
	var have unix.Stat_t
	if err := unix.Fstatat(dst, "", &have, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	changed := !r.Since.IsZero() && !time.Unix(o.st.Ctim.Unix()).Before(r.Since)
	if r.Full || changed || have.Size != o.st.Size || have.Mtim != o.st.Mtim {
		return r.fetch(src, o, id, full)
	}
	return nil
}

// attributes journals a mode, owner or time that differs. A file's time waits for its contents.
func (r *run) attributes(o object, dst int, id uint64) error {
	var have unix.Stat_t
	if err := unix.Fstatat(dst, "", &have, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	same := have.Uid == o.st.Uid && have.Gid == o.st.Gid && have.Mode == o.st.Mode
	if o.typ() != unix.S_IFREG {
		same = same && have.Mtim == o.st.Mtim
	}
	if same {
		return nil
	}
	valid := metadata
	if o.typ() == unix.S_IFREG {
		valid &^= journal.HasMtime
	}
	return r.emit(&journal.Record{Op: journal.SetAttr, Object: id, Attr: replicafs.Attributes(&o.st), Valid: valid})
}

// xattrs journals extended attributes that differ.
func (r *run) xattrs(src, dst int, id uint64) error {
	want, err := replicafs.Xattrs(src)
	if err != nil {
		return err
	}
	have, err := replicafs.Xattrs(dst)
	if err != nil {
		return err
	}
	old := map[string][]byte{}
	for _, x := range have {
		old[x.Name] = x.Value
	}
	for _, x := range want {
		value, ok := old[x.Name]
		delete(old, x.Name)
		if ok && bytes.Equal(value, x.Value) {
			continue
		}
		if err := r.emit(&journal.Record{Op: journal.SetXattr, Object: id, Text: x.Name, Data: x.Value}); err != nil {
			return err
		}
	}
	for name := range old {
		if err := r.emit(&journal.Record{Op: journal.DelXattr, Object: id, Text: name}); err != nil {
			return err
		}
	}
	return nil
}

// remove journals that a name of the replica, with all below it, is to go.
func (r *run) remove(p place, dirfd int, parent uint64, name string) error {
	fd, err := replicafs.OpenObject(dirfd, name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EXDEV) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	id, err := replica.ID(fd)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	rec := &journal.Record{Op: journal.Unlink, Object: id, Parent: parent, Name: name}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR && id != 0 {
		if r.claimed[id] { // a mount of the same folder: not ours to remove
			return nil
		}
		rec.Op, rec.Flags = journal.Rmdir, journal.Gone
		names, err := replicafs.ReadDir(fd)
		if err != nil {
			return err
		}
		for _, child := range names {
			if err := r.remove(p, fd, id, child); err != nil {
				return err
			}
		}
	} else if id != 0 {
		r.removed[id] = true
	}
	if parent == p.id {
		rec.ParentMtime, rec.Valid = p.mtime, journal.HasParentMtime
	}
	return r.emit(rec)
}
