package replica

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"klw/replicafs"
	"klw/replicafs/journal"
)

// create applies the records that make an object: it is built in limbo and then renamed into place. An object that is
// there already keeps its contents.
func (a *Applier) create(r *journal.Record) error {
	n := a.index.nodes[r.Object]
	if n == nil {
		var err error
		if n, err = a.build1(r); err != nil {
			return fmt.Errorf("make object %d: %w", r.Object, err)
		}
	}
	if r.Parent == 0 {
		return nil
	}
	if err := a.place(n, dentry{r.Parent, r.Name}, nil, 0); err != nil {
		return err
	}
	return a.parentTimes(r)
}

func (a *Applier) build1(r *journal.Record) (*node, error) {
	name := limboName(r.Object)
	err := a.makeNode(r, name)
	if errors.Is(err, unix.EEXIST) { // of an attempt that was cut short
		if err = removeAll(a.limbo, name); err == nil {
			err = a.makeNode(r, name)
		}
	}
	if err != nil {
		return nil, err
	}
	fd, err := replicafs.OpenObject(a.limbo, name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := a.dress(fd, r); err != nil {
		return nil, err
	}
	n := &node{id: r.Object, typ: r.Attr.Mode & unix.S_IFMT, limbo: true, placed: r.Seq}
	a.index.nodes[n.id] = n
	return n, nil
}

func (a *Applier) makeNode(r *journal.Record, name string) error {
	switch r.Op {
	case journal.Mkdir:
		return unix.Mkdirat(a.limbo, name, 0o700)
	case journal.Symlink:
		return unix.Symlinkat(r.Text, a.limbo, name)
	case journal.Mknod:
		return unix.Mknodat(a.limbo, name, r.Attr.Mode&unix.S_IFMT|0o600, int(r.Attr.Rdev))
	}
	fd, err := unix.Openat(a.limbo, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// dress gives a new object its owner, mode, extended attributes, times, and last its id: with that it is complete.
func (a *Applier) dress(fd int, r *journal.Record) error {
	if err := a.setAttr(fd, r.Attr.Mode&unix.S_IFMT, r); err != nil {
		return err
	}
	xattrs, err := journal.DecodeXattrs(r.Data)
	if err != nil {
		return err
	}
	for _, x := range xattrs {
		if err := a.setXattr(fd, x.Name, x.Value); err != nil {
			return err
		}
	}
	return setID(replicafs.Proc(fd), r.Object, r.Seq)
}
