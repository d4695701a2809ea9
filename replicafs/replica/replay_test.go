package replica

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"klw/replicafs/journal"
)

// model is a file system in memory that makes the records a source would make.
type model struct {
	records []*journal.Record
	types   map[uint64]uint32
	data    map[uint64]string
	names   map[dentry]uint64
	unnamed map[uint64]bool // unlinked, still open
}

func newModel() *model {
	return &model{types: map[uint64]uint32{RootID: unix.S_IFDIR}, data: map[uint64]string{},
		names: map[dentry]uint64{}, unnamed: map[uint64]bool{}}
}

func (m *model) emit(r journal.Record) uint64 {
	r.Seq = uint64(len(m.records) + 2) // 1 is Begin
	if r.Object == 0 && r.Makes() {
		r.Object = r.Seq
	}
	m.records = append(m.records, &r)
	return r.Object
}

func (m *model) dirs() []uint64 {
	var ids []uint64
	for id, typ := range m.types {
		if typ == unix.S_IFDIR && (id == RootID || len(m.namesOf(id)) > 0) {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

func (m *model) files() []uint64 {
	var ids []uint64
	for id, typ := range m.types {
		if typ == unix.S_IFREG {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

func (m *model) namesOf(id uint64) []dentry {
	var all []dentry
	for d, n := range m.names {
		if n == id {
			all = append(all, d)
		}
	}
	return all
}

func (m *model) empty(id uint64) bool {
	for d := range m.names {
		if d.parent == id {
			return false
		}
	}
	return true
}

func (m *model) below(id, dir uint64) bool {
	for id != RootID {
		if id == dir {
			return true
		}
		id = m.namesOf(id)[0].parent
	}
	return dir == RootID
}

func (m *model) drop(d dentry, open bool) journal.Flags {
	id := m.names[d]
	delete(m.names, d)
	if id == 0 || len(m.namesOf(id)) > 0 {
		return 0
	}
	if open && m.types[id] == unix.S_IFREG {
		m.unnamed[id] = true
		return 0
	}
	delete(m.types, id)
	delete(m.data, id)
	return journal.Gone
}

func (m *model) step(rt *rapid.T) {
	dir := func(l string) uint64 { return rapid.SampledFrom(m.dirs()).Draw(rt, l) }
	name := func(l string) dentry {
		return dentry{dir(l), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, l+" name")}
	}
	open := rapid.Bool().Draw(rt, "open")
	switch rapid.SampledFrom([]string{"create", "mkdir", "link", "unlink", "rename", "rename", "rename", "exchange", "write",
		"write", "truncate", "forget"}).Draw(rt, "op") {
	case "create":
		if d := name("d"); m.names[d] == 0 {
			id := m.emit(journal.Record{Op: journal.Create, Parent: d.parent, Name: d.name,
				Valid: journal.HasMode, Attr: journal.Attr{Mode: unix.S_IFREG | 0o644}})
			m.names[d], m.types[id] = id, unix.S_IFREG
		}
	case "mkdir":
		if d := name("d"); m.names[d] == 0 {
			id := m.emit(journal.Record{Op: journal.Mkdir, Parent: d.parent, Name: d.name,
				Valid: journal.HasMode, Attr: journal.Attr{Mode: unix.S_IFDIR | 0o755}})
			m.names[d], m.types[id] = id, unix.S_IFDIR
		}
	case "link":
		m.link(rt, name("d"))
	case "unlink":
		d := name("d")
		id := m.names[d]
		if id == 0 || m.types[id] == unix.S_IFDIR && !m.empty(id) {
			return
		}
		op := journal.Unlink
		if m.types[id] == unix.S_IFDIR {
			op = journal.Rmdir
		}
		m.emit(journal.Record{Op: op, Object: id, Parent: d.parent, Name: d.name, Flags: m.drop(d, open)})
	case "rename":
		m.rename(name("from"), name("to"), open)
	case "exchange":
		a, b := name("from"), name("to")
		x, y := m.names[a], m.names[b]
		if x == 0 || y == 0 || x == y || m.types[x] == unix.S_IFDIR && m.below(b.parent, x) ||
			m.types[y] == unix.S_IFDIR && m.below(a.parent, y) {
			return
		}
		m.names[a], m.names[b] = y, x
		m.emit(journal.Record{Op: journal.Exchange, Object: x, Other: y, Parent: a.parent, Name: a.name,
			NewParent: b.parent, NewName: b.name})
	case "write":
		if files := m.files(); len(files) > 0 {
			m.write(rapid.SampledFrom(files).Draw(rt, "file"), rapid.IntRange(0, 5).Draw(rt, "off"),
				fmt.Sprint(len(m.records)))
		}
	case "truncate":
		if files := m.files(); len(files) > 0 {
			id, n := rapid.SampledFrom(files).Draw(rt, "file"), rapid.IntRange(0, 4).Draw(rt, "size")
			m.emit(journal.Record{Op: journal.Truncate, Object: id, Attr: journal.Attr{Size: int64(n)}})
			m.data[id] = (m.data[id] + strings.Repeat("\x00", n))[:n]
		}
	case "forget":
		for id := range m.unnamed {
			m.emit(journal.Record{Op: journal.Forget, Object: id})
			delete(m.unnamed, id)
			delete(m.types, id)
			delete(m.data, id)
			return
		}
	}
}

func (m *model) link(rt *rapid.T, d dentry) {
	files := m.files()
	if m.names[d] != 0 || len(files) == 0 {
		return
	}
	id := rapid.SampledFrom(files).Draw(rt, "target")
	m.names[d] = id
	delete(m.unnamed, id)
	m.emit(journal.Record{Op: journal.Link, Object: id, NewParent: d.parent, NewName: d.name})
}

func (m *model) rename(from, to dentry, open bool) {
	x, y := m.names[from], m.names[to]
	isDir := func(id uint64) bool { return m.types[id] == unix.S_IFDIR }
	if x == 0 || x == y || isDir(x) && m.below(to.parent, x) || y != 0 && (isDir(x) != isDir(y) || isDir(y) && !m.empty(y)) {
		return
	}
	flags := m.drop(to, open)
	delete(m.names, from)
	m.names[to] = x
	m.emit(journal.Record{Op: journal.Rename, Object: x, Other: y, Flags: flags, Parent: from.parent, Name: from.name,
		NewParent: to.parent, NewName: to.name})
}

func (m *model) write(id uint64, off int, text string) {
	old := m.data[id]
	for len(old) < off+len(text) {
		old += "\x00"
	}
	m.data[id] = old[:off] + text + old[off+len(text):]
	m.emit(journal.Record{Op: journal.Write, Object: id, Offset: int64(off), Data: []byte(text)})
}

// listing shows a tree as text: path, type, identity, contents.
func (m *model) listing(id uint64, path string, out map[string]string) {
	for d, n := range m.names {
		if d.parent != id {
			continue
		}
		p := path + "/" + d.name
		out[p] = fmt.Sprintf("%o %d %q", m.types[n], n, m.data[n])
		if m.types[n] == unix.S_IFDIR {
			m.listing(n, p, out)
		}
	}
}

func listReplica(t interface{ Fatal(...any) }, root string) map[string]string {
	out := map[string]string{}
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if path == root {
			return nil
		}
		if path == filepath.Join(root, Hidden) {
			return filepath.SkipDir
		}
		id, _, err := getID(path)
		if err != nil {
			return err
		}
		typ, data := uint32(unix.S_IFREG), []byte{}
		if info.IsDir() {
			typ = unix.S_IFDIR
		} else if data, err = os.ReadFile(path); err != nil {
			return err
		}
		out[strings.TrimPrefix(path, root)] = fmt.Sprintf("%o %d %q", typ, id, bytes.TrimSpace(data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestReplayFromAnyCursor: an applier that is cut off and starts again from an older cursor ends in the right state.
func TestReplayFromAnyCursor(t *testing.T) {
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		dest := filepath.Join(base, fmt.Sprint(run))
		m := newModel()
		for range rapid.IntRange(1, 150).Draw(rt, "steps") {
			m.step(rt)
		}
		if err := os.Mkdir(dest, 0o755); err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dest)
		if _, err := Prepare(dest, Origin{UUID: "u"}); err != nil {
			rt.Fatal(err)
		}
		cursor, head := 0, 0
		for range rapid.IntRange(0, 3).Draw(rt, "crashes") {
			head = rapid.IntRange(head, len(m.records)).Draw(rt, "head")
			save := rapid.IntRange(cursor, head).Draw(rt, "cursor")
			applyRange(rt, dest, m, cursor, head, head)
			cursor = save
		}
		applyRange(rt, dest, m, cursor, len(m.records), head)
		want := map[string]string{}
		m.listing(RootID, "", want)
		got := listReplica(rt, dest)
		if fmt.Sprint(want) != fmt.Sprint(got) {
			rt.Fatalf("want %v\ngot  %v\nrecords:\n%s", want, got, m.text())
		}
		limbo, _ := os.ReadDir(filepath.Join(dest, Hidden, "limbo"))
		if len(limbo) != len(m.unnamed) {
			rt.Fatalf("%d in limbo, %d unlinked and open\n%s", len(limbo), len(m.unnamed), m.text())
		}
	})
}

func (m *model) text() string {
	s := ""
	for _, r := range m.records {
		s += fmt.Sprintf("%d %s obj %d other %d %d/%s -> %d/%s flags %d %q\n", r.Seq, r.Op, r.Object, r.Other, r.Parent, r.Name,
			r.NewParent, r.NewName, r.Flags, r.Data)
	}
	return s
}

func applyRange(rt *rapid.T, dest string, m *model, from, to, ahead int) {
	a, err := Open(Options{Path: dest, UUID: "u", ReplayTo: uint64(ahead + 1)})
	if err != nil {
		rt.Fatal(err)
	}
	defer a.Close()
	for _, r := range m.records[from:to] {
		if err := a.Apply(r); err != nil {
			rt.Fatalf("%v\n%s", err, m.text())
		}
	}
}
