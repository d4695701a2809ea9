package replica

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"klw/replicafs/journal"
)

// applyData changes a file's contents, then its attributes: a write may have cleared the set-id bits, and sets the
// times.
func (a *Applier) applyData(r *journal.Record) error {
	h, err := a.get(r.Object)
	if err != nil {
		return err
	}
	defer a.put(h)
	if typ := a.index.nodes[r.Object].typ; typ != unix.S_IFREG {
		return fmt.Errorf("%w: object %d is no regular file", ErrChanged, r.Object)
	}
	fd, err := h.file()
	if err != nil {
		return err
	}
	switch r.Op {
	case journal.Write:
		err = writeAll(fd, r.Data, r.Offset)
	case journal.Truncate:
		err = unix.Ftruncate(fd, r.Attr.Size)
	case journal.Allocate:
		err = allocate(fd, r)
	case journal.Fetch:
		err = a.fetch(fd, r)
	}
	if err != nil {
		return err
	}
	return a.dataAttr(h, r)
}

// dataAttr is setAttr for the many small writes: the mode is set only if it isn't right.
func (a *Applier) dataAttr(h *handle, r *journal.Record) error {
	if r.Valid&(journal.HasMode|journal.HasOwner) == 0 {
		return setTimes(h.path, r)
	}
	var st unix.Stat_t
	if err := unix.Fstat(h.path, &st); err != nil {
		return err
	}
	if st.Uid == r.Attr.UID && st.Gid == r.Attr.GID && st.Mode&0o7777 == r.Attr.Mode&0o7777 {
		return setTimes(h.path, r)
	}
	return a.setAttr(h.path, unix.S_IFREG, r)
}

func writeAll(fd int, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// allocate replays fallocate. Space that this file system can't reserve is no difference in contents.
func allocate(fd int, r *journal.Record) error {
	err := unix.Fallocate(fd, r.Arg, r.Offset, r.Count)
	if !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	if r.Arg&(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE) != 0 {
		return zero(fd, r.Offset, r.Count)
	}
	return grow(fd, r.Attr.Size)
}

func grow(fd int, size int64) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Size >= size {
		return err
	}
	return unix.Ftruncate(fd, size)
}

// zero writes zeros over what there is of the range.
func zero(fd int, off, count int64) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	zeros := make([]byte, 128<<10)
	for end := min(off+count, st.Size); off < end; {
		n := min(end-off, int64(len(zeros)))
		if err := writeAll(fd, zeros[:n], off); err != nil {
			return err
		}
		off += n
	}
	return nil
}
