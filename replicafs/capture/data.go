package capture

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/replicafs/journal"
)

func (m *Module) recordWrite(c *hooks.Call, r *hooks.Result) {
	if r.N <= 0 {
		return
	}
	id, ok := m.id(c.Op, c.File)
	if !ok {
		return
	}
	flags := syncFlag(c.Flags)
	if c.Writeback {
		flags |= journal.Writeback
	}
	seq, ok := m.writes(id, c.Offset, c.Data[:r.N], flags, r, c.File)
	if ok && flags&journal.Sync != 0 && m.o.Disk {
		_ = m.o.Journal.Sync(seq) // an error stays in the journal: every further change is refused
	}
}

func syncFlag(open uint32) journal.Flags {
	if open&(unix.O_SYNC|unix.O_DSYNC) != 0 {
		return journal.Sync
	}
	return 0
}

// writes journals data, in records of at most journal.MaxData.
func (m *Module) writes(id uint64, off int64, data []byte, flags journal.Flags, r *hooks.Result, f hooks.File) (seq uint64, ok bool) {
	for len(data) > 0 {
		n := min(len(data), journal.MaxData)
		rec := &journal.Record{Op: journal.Write, Object: id, Offset: off, Count: int64(n), Data: data[:n], Flags: flags}
		attributes(rec, journal.HasMode|journal.HasOwner|journal.HasSize|journal.HasMtime, r.Stat, f)
		if seq, ok = m.append(rec); !ok {
			return seq, false
		}
		data, off = data[n:], off+int64(n)
	}
	return seq, true
}

// recordCopy journals the data that a copy_file_range brought: replaying the copy itself would need the source of
// the copy as it was.
func (m *Module) recordCopy(c *hooks.Call, r *hooks.Result) {
	if r.N <= 0 {
		return
	}
	id, ok := m.id(c.Op, c.NewFile)
	if !ok {
		return
	}
	b, ok := c.NewFile.(Backing)
	if !ok {
		return
	}
	f, err := b.OpenBacking(unix.O_RDONLY)
	if err != nil {
		m.o.Unknown(join(c.NewFile))
		return
	}
	defer f.Close()
	buf := make([]byte, min(r.N, journal.MaxData))
	for off, end := c.NewOffset, c.NewOffset+r.N; off < end; {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), end-off)], off)
		if n > 0 {
			m.writes(id, off, buf[:n], 0, r, c.NewFile)
			off += int64(n)
		}
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			m.o.Unknown(join(c.NewFile))
			return
		}
	}
}
