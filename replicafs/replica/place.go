package replica

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"klw/replicafs"
)

func limboName(id uint64) string { return strconv.FormatUint(id, 10) }

// place makes the name d lead to n. from is the name that n gives up for it; without one, n comes from limbo or gets a
// further name. What was at d before goes to limbo if this was its last name, unless it is the object gone, which the source doesn't
// have any more.
func (a *Applier) place(n *node, d dentry, from *dentry, gone uint64) error {
	if a.index.nodes[d.parent] == nil {
		return a.placeNowhere(n, from)
	}
	if cur := a.index.at(d); cur != nil && cur != n {
		if err := a.displace(cur, d, n, cur.id == gone); err != nil {
			return err
		}
	} else if cur == n {
		if from != nil && *from != d && a.index.at(*from) == n {
			return a.removeName(n, *from)
		}
		return nil
	} else if err := a.clear(d); err != nil {
		return err
	}
	return a.bring(n, d, from)
}

// bring does what place says, when the way is free or may be replaced.
func (a *Applier) bring(n *node, d dentry, from *dentry) error {
	if err := a.cutLoop(n, d.parent); err != nil {
		return err
	}
	if err := a.mark(n); err != nil {
		return err
	}
	dir, err := a.get(d.parent)
	if err != nil {
		return err
	}
	defer a.put(dir)
	switch {
	case from != nil && a.index.at(*from) == n:
		old, err := a.get(from.parent)
		if err != nil {
			return err
		}
		defer a.put(old)
		if err := unix.Renameat(old.path, from.name, dir.path, d.name); err != nil {
			return fmt.Errorf("rename %q to %q: %w", from.name, d.name, err)
		}
		a.index.drop(n, *from)
	case n.limbo || len(n.names) == 0:
		if err := unix.Renameat(a.limbo, limboName(n.id), dir.path, d.name); err != nil {
			return fmt.Errorf("bring %q out of limbo: %w", d.name, err)
		}
		n.limbo = false
	case n.typ == unix.S_IFDIR: // from isn't where it is: replay of a move on a state that is further on
		if err := a.toLimbo(n); err != nil {
			return err
		}
		return a.bring(n, d, nil)
	default:
		if err := unix.Unlinkat(dir.path, d.name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unlink %q: %w", d.name, err)
		}
		if err := a.link(n, dir.path, d.name); err != nil {
			return err
		}
	}
	a.index.add(n, d)
	return nil
}

// cutLoop makes it possible to move n into the directory parent when that is below n: on a state that is further on,
// the two may have changed places. Of the moves that make the loop, one is by a record that is still to come (and will
// do it again): that one is undone.
func (a *Applier) cutLoop(n *node, parent uint64) error {
	if n.typ != unix.S_IFDIR {
		return nil
	}
	var latest *node
	for p := a.index.nodes[parent]; p != nil && len(p.names) > 0; p = a.index.nodes[p.names[0].parent] {
		if p == n {
			break
		}
		if latest == nil || p.placed > latest.placed {
			latest = p
		}
		if p.names[0].parent == n.id {
			return a.toLimbo(latest)
		}
	}
	return nil
}

// mark notes on a directory, before it is moved, which record moves it.
func (a *Applier) mark(n *node) error {
	if n.typ != unix.S_IFDIR || n.placed == a.now {
		return nil
	}
	h, err := a.get(n.id)
	if err != nil {
		return err
	}
	defer a.put(h)
	if err := setID(replicafs.Proc(h.path), n.id, a.now); err != nil {
		return fmt.Errorf("mark object %d: %w", n.id, err)
	}
	n.placed = a.now
	return nil
}

// placeNowhere is place for a directory that a later record deletes. What n is called now stays: it is later still.
func (a *Applier) placeNowhere(n *node, from *dentry) error {
	if from != nil && a.index.at(*from) == n {
		if len(n.names) == 1 {
			return a.toLimbo(n)
		}
		return a.removeName(n, *from)
	}
	return nil
}

// link gives n a further name where none is.
func (a *Applier) link(n *node, dirfd int, name string) error {
	h, err := a.get(n.id)
	if err != nil {
		return err
	}
	defer a.put(h)
	if err := unix.Linkat(h.path, "", dirfd, name, unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("link %q: %w", name, err)
	}
	return nil
}

// displace makes way for by at the name d, where cur is. Afterwards the index no longer has cur there, and a rename
// to d works.
func (a *Applier) displace(cur *node, d dentry, by *node, gone bool) error {
	last := len(cur.names) == 1 && !cur.limbo
	switch {
	case cur.typ == unix.S_IFDIR:
		// Not replaced by the rename itself: it may not be empty when the replica is ahead.
		if gone && by.typ == unix.S_IFDIR && a.isEmpty(cur) {
			a.forget(cur, d)
			return nil
		}
		if err := a.toLimbo(cur); err != nil || !gone {
			return err
		}
		return a.destroy(cur)
	case by.typ == unix.S_IFDIR: // replay: a directory doesn't replace a file
		if last {
			return a.toLimbo(cur)
		}
		return a.removeName(cur, d)
	case last && !gone:
		if err := a.link(cur, a.limbo, limboName(cur.id)); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		cur.limbo = true
		a.index.drop(cur, d)
	case last:
		a.forget(cur, d)
	default:
		a.index.drop(cur, d)
	}
	return nil
}

func (a *Applier) isEmpty(n *node) bool {
	h, err := a.get(n.id)
	if err != nil {
		return false
	}
	defer a.put(h)
	names, err := replicafs.ReadDir(h.path)
	return err == nil && len(names) == 0
}

// clear removes what is at d though the index has nothing there: somebody else put it there.
func (a *Applier) clear(d dentry) error {
	dir, err := a.get(d.parent)
	if err != nil {
		return err
	}
	defer a.put(dir)
	var st unix.Stat_t
	err = unix.Fstatat(dir.path, d.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	a.foreign.Add(1)
	return removeAll(dir.path, d.name)
}

// toLimbo takes an object with one name out of sight. A directory takes what is in it along.
func (a *Applier) toLimbo(n *node) error {
	if n.limbo {
		return nil
	}
	d := n.names[0]
	dir, err := a.get(d.parent)
	if err != nil {
		return err
	}
	defer a.put(dir)
	if err := unix.Renameat(dir.path, d.name, a.limbo, limboName(n.id)); err != nil {
		return fmt.Errorf("move %q to limbo: %w", d.name, err)
	}
	a.index.drop(n, d)
	n.limbo = true
	return nil
}

// removeName removes one of several names.
func (a *Applier) removeName(n *node, d dentry) error {
	dir, err := a.get(d.parent)
	if err != nil {
		return err
	}
	defer a.put(dir)
	if err := unix.Unlinkat(dir.path, d.name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unlink %q: %w", d.name, err)
	}
	a.index.drop(n, d)
	return nil
}

// remove takes the name d from n; with gone, or when the object has no other name, the object goes too or to limbo.
func (a *Applier) remove(n *node, d dentry, gone bool) error {
	if a.index.at(d) == n {
		if n.typ != unix.S_IFDIR && (len(n.names) > 1 || n.limbo || gone) {
			if err := a.removeName(n, d); err != nil {
				return err
			}
		} else if err := a.toLimbo(n); err != nil {
			return err
		}
	}
	if gone {
		return a.destroy(n)
	}
	return nil
}

// destroy deletes an object that the source doesn't have any more, whatever is left of it here.
func (a *Applier) destroy(n *node) error {
	for len(n.names) > 0 {
		if n.typ == unix.S_IFDIR {
			if err := a.toLimbo(n); err != nil {
				return err
			}
		} else if err := a.removeName(n, n.names[0]); err != nil {
			return err
		}
	}
	if n.limbo {
		if err := a.rescue(n); err != nil {
			return err
		}
		if err := removeAll(a.limbo, limboName(n.id)); err != nil {
			return fmt.Errorf("remove object %d: %w", n.id, err)
		}
	}
	delete(a.index.nodes, n.id)
	a.open.drop(n.id)
	return nil
}

// rescue takes out of a directory that is to be deleted what later records still want.
func (a *Applier) rescue(n *node) error {
	if n.typ != unix.S_IFDIR {
		return nil
	}
	h, err := a.get(n.id)
	if err != nil {
		return err
	}
	defer a.put(h)
	names, err := replicafs.ReadDir(h.path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if child := a.index.at(dentry{n.id, name}); child != nil {
			if err := a.remove(child, dentry{n.id, name}, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget takes an object out of the index whose last name d is about to be replaced.
func (a *Applier) forget(n *node, d dentry) {
	a.index.drop(n, d)
	delete(a.index.nodes, n.id)
	a.open.drop(n.id)
}
