package replica

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"klw/replicafs"
	"klw/replicafs/journal"
)

// copyChunk is how much is read, compared and copied at a time.
const copyChunk = 1 << 20

// fetch makes a file's contents equal to the source's as they are now: what changed since the record follows in
// later ones. A file that the source doesn't have any more stays as it is, until the record that says so.
func (a *Applier) fetch(dst int, r *journal.Record) error {
	if a.source == nil {
		return errors.New("the source is not at hand")
	}
	l, err := replicafs.DecodeLocator(r.Text, r.Data)
	if err != nil {
		return err
	}
	src, err := a.source.Open(l)
	if errors.Is(err, replicafs.ErrGone) {
		a.fetched.Add(1)
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s in the source: %w", r.Text, err)
	}
	defer unix.Close(src)
	caps, capsErr := replicafs.Xattr(dst, "security.capability")
	if err := a.makeEqual(dst, src); err != nil {
		return fmt.Errorf("copy %s: %w", r.Text, err)
	}
	if capsErr == nil { // a write takes it away
		if err := a.setXattr(dst, "security.capability", caps); err != nil {
			return err
		}
	}
	a.fetched.Add(1)
	return nil
}

func (a *Applier) makeEqual(dst, src int) error {
	var st, have unix.Stat_t
	if err := errors.Join(unix.Fstat(src, &st), unix.Fstat(dst, &have)); err != nil {
		return err
	}
	fill := a.copyRange
	if have.Blocks > 0 {
		fill = a.compareRange
	}
	for pos := int64(0); pos < st.Size; {
		data, hole, err := nextData(src, pos, st.Size)
		if err != nil {
			return err
		}
		if err := clearRange(dst, pos, data, have.Size); err != nil {
			return err
		}
		if err := fill(dst, src, data, hole); err != nil {
			return err
		}
		pos = hole
	}
	return unix.Ftruncate(dst, st.Size)
}

// nextData gives the next range that isn't a hole. Behind the last one both are size.
func nextData(fd int, pos, size int64) (data, hole int64, err error) {
	data, err = unix.Seek(fd, pos, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return size, size, nil
	}
	if errors.Is(err, unix.EINVAL) { // no holes known here
		return pos, size, nil
	}
	if err != nil {
		return 0, 0, err
	}
	hole, err = unix.Seek(fd, data, unix.SEEK_HOLE)
	if err != nil || hole > size {
		hole = size
	}
	return min(data, size), hole, nil
}

// clearRange makes a hole of what the destination has there.
func clearRange(dst int, from, to, size int64) error {
	to = min(to, size)
	if to <= from {
		return nil
	}
	err := unix.Fallocate(dst, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, to-from)
	if errors.Is(err, unix.ENOTSUP) {
		return zero(dst, from, to-from)
	}
	return err
}

// copyRange copies within the kernel, sharing blocks where the file systems can.
func (a *Applier) copyRange(dst, src int, from, to int64) error {
	for from < to {
		in, out := from, from
		n, err := unix.CopyFileRange(src, &in, dst, &out, int(min(to-from, 64<<20)), 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EINVAL) || err == nil && n == 0 {
			return a.copyBytes(dst, src, from, to)
		}
		if err != nil {
			return err
		}
		from += int64(n)
		a.copied.Add(int64(n))
	}
	return nil
}

func (a *Applier) copyBytes(dst, src int, from, to int64) error {
	buf := make([]byte, copyChunk)
	for from < to {
		n, err := unix.Pread(src, buf[:min(to-from, copyChunk)], from)
		if err != nil || n == 0 { // it became shorter: a record says so
			return err
		}
		if err := writeAll(dst, buf[:n], from); err != nil {
			return err
		}
		from += int64(n)
		a.copied.Add(int64(n))
	}
	return nil
}

// compareRange writes only what differs.
func (a *Applier) compareRange(dst, src int, from, to int64) error {
	want, have := make([]byte, copyChunk), make([]byte, copyChunk)
	for from < to {
		n, err := unix.Pread(src, want[:min(to-from, copyChunk)], from)
		if err != nil || n == 0 {
			return err
		}
		m, err := unix.Pread(dst, have[:n], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if m != n || !bytes.Equal(want[:n], have[:n]) {
			if err := writeAll(dst, want[:n], from); err != nil {
				return err
			}
		}
		from += int64(n)
		a.copied.Add(int64(n))
	}
	return nil
}
