package replica

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"klw/replicafs/journal"
)

// Apply carries out one record. Records come in order; after an error the same record may be tried again.
func (a *Applier) Apply(r *journal.Record) error {
	a.now = r.Seq
	err := a.apply(r)
	if errors.Is(err, errUnknown) {
		if r.Seq > a.replayTo {
			return fmt.Errorf("record %d (%s): %w: %w", r.Seq, r.Op, ErrChanged, err)
		}
		err = nil
	}
	if err != nil {
		return fmt.Errorf("record %d (%s): %w", r.Seq, r.Op, err)
	}
	a.applied.Store(r.Seq)
	return nil
}

func (a *Applier) apply(r *journal.Record) error {
	switch r.Op {
	case journal.Begin, journal.Mark:
		return nil
	case journal.Create, journal.Mkdir, journal.Mknod, journal.Symlink:
		return a.create(r)
	case journal.Link:
		return a.applyLink(r)
	case journal.Unlink, journal.Rmdir:
		return a.applyUnlink(r)
	case journal.Rename:
		return a.applyRename(r)
	case journal.Exchange:
		return a.applyExchange(r)
	case journal.Forget:
		return a.applyForget(r)
	case journal.Write, journal.Truncate, journal.Allocate, journal.Fetch:
		return a.applyData(r)
	case journal.SetAttr, journal.SetXattr, journal.DelXattr:
		return a.applyMeta(r)
	}
	return fmt.Errorf("an unknown operation")
}

func (a *Applier) applyLink(r *journal.Record) error {
	n := a.index.nodes[r.Object]
	if n == nil {
		return errUnknown
	}
	if err := a.place(n, dentry{r.NewParent, r.NewName}, nil, 0); err != nil {
		return err
	}
	return a.parentTimes(r)
}

func (a *Applier) applyUnlink(r *journal.Record) error {
	if d := (dentry{r.Parent, r.Name}); r.Object == 0 { // not ours: somebody else made it here
		if a.index.at(d) == nil {
			if err := a.clear(d); err != nil {
				return err
			}
		}
		return a.parentTimes(r)
	}
	n := a.index.nodes[r.Object]
	if n == nil {
		return errors.Join(errUnknown, a.parentTimes(r))
	}
	if err := a.remove(n, dentry{r.Parent, r.Name}, r.Flags&journal.Gone != 0); err != nil {
		return err
	}
	return a.parentTimes(r)
}

func (a *Applier) applyRename(r *journal.Record) error {
	from, to, gone := dentry{r.Parent, r.Name}, dentry{r.NewParent, r.NewName}, r.Flags&journal.Gone != 0
	n := a.index.nodes[r.Object]
	if n == nil { // deleted later; what it replaced is replaced all the same
		if other := a.index.nodes[r.Other]; other != nil {
			if err := a.remove(other, to, gone); err != nil {
				return err
			}
		}
		return errors.Join(errUnknown, a.parentTimes(r))
	}
	displaced := uint64(0)
	if gone {
		displaced = r.Other
	}
	if err := a.place(n, to, &from, displaced); err != nil {
		return err
	}
	if other := a.index.nodes[r.Other]; other != nil && gone {
		if err := a.destroy(other); err != nil {
			return err
		}
	}
	return a.parentTimes(r)
}

func (a *Applier) applyExchange(r *journal.Record) error {
	x, y := a.index.nodes[r.Object], a.index.nodes[r.Other]
	from, to := dentry{r.Parent, r.Name}, dentry{r.NewParent, r.NewName}
	if x == nil || y == nil || a.index.at(from) != x || a.index.at(to) != y {
		if err := a.placeBoth(x, y, from, to); err != nil {
			return err
		}
		return a.parentTimes(r)
	}
	if err := errors.Join(a.cutLoop(x, to.parent), a.cutLoop(y, from.parent), a.mark(x), a.mark(y)); err != nil {
		return err
	}
	old, err := a.get(from.parent)
	if err != nil {
		return err
	}
	defer a.put(old)
	dir, err := a.get(to.parent)
	if err != nil {
		return err
	}
	defer a.put(dir)
	if err := unix.Renameat2(old.path, from.name, dir.path, to.name, unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("exchange %q and %q: %w", from.name, to.name, err)
	}
	a.index.drop(x, from)
	a.index.drop(y, to)
	a.index.add(x, to)
	a.index.add(y, from)
	return a.parentTimes(r)
}

// placeBoth is an exchange on a state that is further on.
func (a *Applier) placeBoth(x, y *node, from, to dentry) error {
	if x != nil {
		if err := a.place(x, to, &from, 0); err != nil {
			return err
		}
	}
	if y == nil {
		return nil
	}
	// Where y still was is x's place now; it is in limbo, or where a later record puts it.
	return a.place(y, from, &to, 0)
}

func (a *Applier) applyForget(r *journal.Record) error {
	n := a.index.nodes[r.Object]
	if n == nil || len(n.names) > 0 {
		return nil
	}
	return a.destroy(n)
}

// applyMeta changes attributes.
func (a *Applier) applyMeta(r *journal.Record) error {
	h, err := a.get(r.Object)
	if err != nil {
		return err
	}
	defer a.put(h)
	switch r.Op {
	case journal.SetXattr:
		err = a.setXattr(h.path, r.Text, r.Data)
	case journal.DelXattr:
		err = a.delXattr(h.path, r.Text)
	}
	if err != nil {
		return err
	}
	return a.setAttr(h.path, a.index.nodes[r.Object].typ, r)
}
