package capture

import (
	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/replicafs"
	"klw/replicafs/journal"
)

// recordMade writes the record of a new object: its number is the object's id.
func (m *Module) recordMade(c *hooks.Call, r *hooks.Result) {
	rec := &journal.Record{Name: c.Name, Text: c.Text}
	if c.Op == hooks.OpTmpfile {
		rec.Op = journal.Create
	} else {
		parent, ok := m.id(c.Op, c.Dir)
		if !ok {
			return
		}
		rec.Parent = parent
		directory(rec, journal.HasParentMtime, &rec.ParentMtime, c.Dir)
	}
	attributes(rec, everything, r.Stat, r.File)
	if rec.Valid&journal.HasMode == 0 { // it is gone again, behind our back
		m.o.Unknown(join(r.File))
		return
	}
	rec.Op = journal.Maker(rec.Attr.Mode)
	data, complete := inherited(r.File)
	rec.Data = data
	seq, ok := m.append(rec)
	if !ok {
		return
	}
	if !complete {
		m.o.Unknown(join(r.File))
	}
	m.SetID(r.File.Key(), seq)
	if c.Op == hooks.OpTmpfile {
		m.mu.Lock()
		m.addOrphan(r.File.Key())
		m.mu.Unlock()
	}
}

// inherited reads what a new object has got from its directory: access control lists, security labels. complete is
// false if that can't be read, or is more than the room that was reserved.
func inherited(f hooks.File) (data []byte, complete bool) {
	b, ok := f.(Backing)
	if !ok {
		return nil, true
	}
	file, err := b.OpenBacking(unix.O_PATH)
	if err != nil {
		return nil, false
	}
	defer file.Close()
	list, err := replicafs.Xattrs(int(file.Fd()))
	if err != nil {
		return nil, false
	}
	data = journal.EncodeXattrs(list)
	if len(data) > maxXattrs {
		return nil, false
	}
	return data, true
}

func (m *Module) recordLink(c *hooks.Call) {
	ids, ok := m.knownIDs(c.Op, c.File, c.NewDir)
	if !ok {
		return
	}
	rec := &journal.Record{Op: journal.Link, Object: ids[0], NewParent: ids[1], NewName: c.NewName}
	directory(rec, journal.HasNewParentMtime, &rec.NewParentMtime, c.NewDir)
	m.append(rec)
	m.named(c.File.Key())
}

func (m *Module) recordUnlink(c *hooks.Call) {
	if c.File == nil {
		m.o.Unknown(join(c.Dir))
		return
	}
	ids, ok := m.knownIDs(c.Op, c.File, c.Dir)
	if !ok {
		return
	}
	rec := &journal.Record{Op: journal.Unlink, Object: ids[0], Parent: ids[1], Name: c.Name}
	if c.Op == hooks.OpRmdir {
		rec.Op = journal.Rmdir
	}
	if m.lost(c.File) {
		rec.Flags |= journal.Gone
	}
	directory(rec, journal.HasParentMtime, &rec.ParentMtime, c.Dir)
	m.append(rec)
}

func join(dir hooks.File) string {
	if paths := dir.Paths(); len(paths) > 0 {
		return paths[0]
	}
	return "/"
}

func (m *Module) recordRename(c *hooks.Call) {
	if c.File == nil {
		m.o.Unknown(join(c.Dir))
		m.o.Unknown(join(c.NewDir))
		return
	}
	if c.NewFile != nil && c.NewFile.Key() == c.File.Key() {
		return // two names of one object: nothing happens
	}
	ids, ok := m.knownIDs(c.Op, c.File, c.Dir, c.NewDir)
	if !ok {
		m.o.Unknown(join(c.NewDir))
		m.o.Unknown(join(c.Dir))
		return
	}
	rec := &journal.Record{Op: journal.Rename, Object: ids[0], Parent: ids[1], Name: c.Name, NewParent: ids[2], NewName: c.NewName}
	if c.NewFile != nil && !m.displaced(rec, c) {
		return
	}
	directory(rec, journal.HasParentMtime, &rec.ParentMtime, c.Dir)
	directory(rec, journal.HasNewParentMtime, &rec.NewParentMtime, c.NewDir)
	m.append(rec)
}

// displaced notes what was at the new name. It says whether that is known.
func (m *Module) displaced(rec *journal.Record, c *hooks.Call) bool {
	m.mu.Lock()
	other := m.ids[c.NewFile.Key()]
	m.mu.Unlock()
	rec.Other = other
	if c.Flags&unix.RENAME_EXCHANGE != 0 {
		if other == 0 {
			m.o.Unknown(join(c.Dir))
			m.o.Unknown(join(c.NewDir))
			return false
		}
		rec.Op = journal.Exchange
		return true
	}
	if other != 0 && m.lost(c.NewFile) {
		rec.Flags |= journal.Gone
	}
	return true
}
