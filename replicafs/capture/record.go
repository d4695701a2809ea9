package capture

import (
	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/replicafs"
	"klw/replicafs/journal"
)

// maxCopy is the most that one copy_file_range copies: its data goes through the journal.
const maxCopy = 4 << 20

// maxXattrs is how much room a new object's inherited attributes (default ACLs) get in its record.
const maxXattrs = 64 << 10

// room is what the records of a call take at most.
func room(c *hooks.Call) int {
	names := len(c.Name) + len(c.NewName)
	switch {
	case c.Op == hooks.OpCopyRange:
		chunks := int(c.Size/journal.MaxData) + 1
		return chunks*journal.Size(0, 0, 0, 0) + int(c.Size) + 8*chunks
	case c.Op == hooks.OpWrite:
		chunks := len(c.Data)/journal.MaxData + 1
		return chunks*journal.Size(0, 0, 0, 0) + len(c.Data) + 8*chunks
	case makes.Has(c.Op):
		return journal.Size(names, 0, len(c.Text), maxXattrs) + forgetRoom
	case c.Op == hooks.OpSetxattr:
		return journal.Size(0, 0, len(c.Text), len(c.Data))
	}
	return journal.Size(names, 0, len(c.Text), 0) + forgetRoom
}

// record writes what a successful call did.
func (m *Module) record(c *hooks.Call, r *hooks.Result) {
	switch c.Op {
	case hooks.OpCreate, hooks.OpTmpfile, hooks.OpMkdir, hooks.OpMknod, hooks.OpSymlink:
		m.recordMade(c, r)
	case hooks.OpLink:
		m.recordLink(c)
	case hooks.OpUnlink, hooks.OpRmdir:
		m.recordUnlink(c)
	case hooks.OpRename:
		m.recordRename(c)
	case hooks.OpWrite:
		m.recordWrite(c, r)
	case hooks.OpCopyRange:
		m.recordCopy(c, r)
	default:
		m.recordChange(c, r)
	}
}

func (m *Module) append(r *journal.Record) (uint64, bool) {
	seq, err := m.o.Journal.Append(r)
	return seq, err == nil // an error stays in the journal: every further Reserve gives it
}

// id gives an object's id. One that is unknown though it has a name was made past the mount, or is being made this
// moment by an operation whose record isn't written yet. (Not so for an operation on names: these are one at a time.)
func (m *Module) id(op hooks.Operation, f hooks.File) (uint64, bool) {
	key := f.Key()
	m.mu.Lock()
	id := m.ids[key]
	for id == 0 && m.makers > 0 && !onNames.Has(op) {
		m.settled.Wait()
		id = m.ids[key]
	}
	m.mu.Unlock()
	if id == 0 {
		for _, path := range f.Paths() {
			m.o.Unknown(path)
		}
	}
	return id, id != 0
}

// knownIDs is id for several.
func (m *Module) knownIDs(op hooks.Operation, files ...hooks.File) ([]uint64, bool) {
	all := true
	ids := make([]uint64, len(files))
	for i, f := range files {
		id, ok := m.id(op, f)
		ids[i], all = id, all && ok
	}
	return ids, all
}

const everything = journal.HasMode | journal.HasOwner | journal.HasSize | journal.HasAtime | journal.HasMtime

// attributes puts the object's state after the operation into the record.
func attributes(rec *journal.Record, valid journal.Valid, st *unix.Stat_t, f hooks.File) {
	if st == nil {
		b, ok := f.(Backing)
		if !ok {
			return
		}
		got, err := b.StatBacking()
		if err != nil {
			return
		}
		st = &got
	}
	rec.Attr = replicafs.Attributes(st)
	rec.Valid |= valid
}

// directory puts a directory's time after the operation into the record.
func directory(rec *journal.Record, valid journal.Valid, t *journal.Time, f hooks.File) {
	b, ok := f.(Backing)
	if !ok {
		return
	}
	if st, err := b.StatBacking(); err == nil {
		*t = replicafs.Time(st.Mtim)
		rec.Valid |= valid
	}
}

func (m *Module) recordChange(c *hooks.Call, r *hooks.Result) {
	id, ok := m.id(c.Op, c.File)
	if !ok {
		return
	}
	rec := &journal.Record{Object: id}
	valid := journal.HasMode | journal.HasOwner
	switch c.Op {
	case hooks.OpTruncate, hooks.OpOpen, hooks.OpExec:
		rec.Op = journal.Truncate
		valid |= journal.HasSize | journal.HasMtime
	case hooks.OpFallocate:
		rec.Op, rec.Arg, rec.Offset, rec.Count = journal.Allocate, c.Flags, c.Offset, c.Size
		valid |= journal.HasSize | journal.HasMtime
	case hooks.OpSetxattr:
		rec.Op, rec.Text, rec.Data = journal.SetXattr, c.Text, c.Data
	case hooks.OpRemovexattr:
		rec.Op, rec.Text = journal.DelXattr, c.Text
	case hooks.OpUtimes:
		rec.Op = journal.SetAttr
		valid |= times(c.Attr.Valid)
	default:
		rec.Op = journal.SetAttr
	}
	attributes(rec, valid, r.Stat, c.File)
	m.append(rec)
}

func times(set hooks.AttrSet) journal.Valid {
	var v journal.Valid
	if set&hooks.AttrAtime != 0 {
		v |= journal.HasAtime
	}
	if set&hooks.AttrMtime != 0 {
		v |= journal.HasMtime
	}
	return v
}
