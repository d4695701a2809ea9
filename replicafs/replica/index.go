package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"klw/replicafs"
)

// dentry is a name in a directory.
type dentry struct {
	parent uint64
	name   string
}

// node is what the index knows of an object.
type node struct {
	id    uint64
	typ   uint32 // S_IFMT bits
	names []dentry
	limbo bool // it has a name in limbo

	placed uint64 // directories: number of the record that put it where it is
}

// index is the replica's name space by ids.
type index struct {
	nodes map[uint64]*node
	names map[dentry]uint64
}

func newIndex() *index {
	root := &node{id: RootID, typ: unix.S_IFDIR}
	return &index{nodes: map[uint64]*node{RootID: root}, names: map[dentry]uint64{}}
}

// at gives the object that a name leads to, nil if there is none.
func (x *index) at(d dentry) *node { return x.nodes[x.names[d]] }

func (x *index) add(n *node, d dentry) {
	x.names[d] = n.id
	n.names = append(n.names, d)
}

func (x *index) drop(n *node, d dentry) {
	delete(x.names, d)
	n.names = slices.DeleteFunc(n.names, func(o dentry) bool { return o == d })
}

func setID(path string, id, placed uint64) error {
	b := binary.LittleEndian.AppendUint64(nil, id)
	return unix.Setxattr(path, idXattr, binary.LittleEndian.AppendUint64(b, placed), 0)
}

// ID gives the id that the object that fd (O_PATH will do) is carries, 0 if it has none.
func ID(fd int) (uint64, error) {
	id, _, err := getID(replicafs.Proc(fd))
	return id, err
}

// getID gives what setID set.
func getID(path string) (id, placed uint64, err error) {
	b := make([]byte, 16)
	n, err := unix.Getxattr(path, idXattr, b)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) || err == nil && n != 16 {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), nil
}

// build walks the replica. What carries no id, or one that was met as a directory already, is not ours: it is left
// out, and verify tells of it.
func (a *Applier) build() error {
	if err := a.buildDir(a.root, a.index.nodes[RootID]); err != nil {
		return fmt.Errorf("read the replica: %w", err)
	}
	names, err := replicafs.ReadDir(a.limbo)
	if err != nil {
		return fmt.Errorf("read limbo: %w", err)
	}
	for _, name := range names {
		if err := a.buildLimbo(name); err != nil {
			return fmt.Errorf("read limbo: %s: %w", name, err)
		}
	}
	return nil
}

func (a *Applier) buildDir(fd int, dir *node) error {
	names, err := replicafs.ReadDir(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		if dir.id == RootID && name == Hidden {
			continue
		}
		if err := a.buildEntry(fd, dentry{dir.id, name}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (a *Applier) buildEntry(dirfd int, d dentry) error {
	fd, err := replicafs.OpenObject(dirfd, d.name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EXDEV) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	n, err := a.meet(fd)
	if err != nil || n == nil {
		return err
	}
	if n.typ == unix.S_IFDIR && len(n.names) > 0 {
		return nil
	}
	a.index.add(n, d)
	if n.typ == unix.S_IFDIR {
		return a.buildDir(fd, n)
	}
	return nil
}

// meet gives the node of the object that fd is, made if it is new; nil if it isn't ours.
func (a *Applier) meet(fd int) (*node, error) {
	id, placed, err := getID(replicafs.Proc(fd))
	if err != nil || id == 0 {
		return nil, err
	}
	if n := a.index.nodes[id]; n != nil {
		return n, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	n := &node{id: id, typ: st.Mode & unix.S_IFMT, placed: placed}
	a.index.nodes[id] = n
	return n, nil
}

// buildLimbo takes up an object of limbo. What isn't complete is made anew by the record that made it.
func (a *Applier) buildLimbo(name string) error {
	fd, err := replicafs.OpenObject(a.limbo, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	id, err := ID(fd)
	if err != nil {
		return err
	}
	if id == 0 || strconv.FormatUint(id, 10) != name {
		return removeAll(a.limbo, name)
	}
	n, err := a.meet(fd)
	if err != nil {
		return err
	}
	n.limbo = true
	if n.typ == unix.S_IFDIR {
		return a.buildDir(fd, n)
	}
	return nil
}
