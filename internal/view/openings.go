package view

import (
	"slices"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// opening is an open that is being decided on.
type opening struct {
	node *node
	hooks.Opening
}

// begin notes that somebody is about to open a file, before anybody decides. A module that looks at the file meanwhile
// sees the opening, or else the call is decided by what the module has changed.
func (v *View) begin(n *node, c *hooks.Call) *opening {
	o := &opening{n, hooks.Opening{UID: c.Caller.UID, Flags: c.Flags}}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.asking == nil {
		v.asking = map[*opening]struct{}{}
	}
	v.asking[o] = struct{}{}
	return o
}

// decided ends what begin noted: the file is open, or isn't.
func (v *View) decided(o *opening) {
	v.mu.Lock()
	delete(v.asking, o)
	v.mu.Unlock()
}

// Openings gives those who have the object open through any view, and those who are about to.
func (n *Inode) Openings() (list []hooks.Opening) {
	n.srv.mu.RLock()
	views := slices.Clone(n.srv.views)
	n.srv.mu.RUnlock()
	for _, v := range views {
		v.mu.RLock()
		for o := range v.asking {
			if o.node.Inode == n {
				list = append(list, o.Opening)
			}
		}
		for _, f := range v.files {
			if f.node.Inode == n {
				list = append(list, hooks.Opening{UID: f.uid, Flags: f.flags})
			}
		}
		v.mu.RUnlock()
	}
	return list
}

// Passed gives the access modes of opens whose data passed through.
func (n *Inode) Passed() (modes []uint32) {
	n.srv.mu.RLock()
	defer n.srv.mu.RUnlock()
	for mode := range uint32(unix.O_ACCMODE) {
		if n.uncommon().passed&(1<<mode) != 0 {
			modes = append(modes, mode)
		}
	}
	return modes
}

// Links gives how many names the object has on the backing, known or not.
func (n *Inode) Links() (uint64, error) {
	st, err := n.StatBacking()
	return uint64(st.Nlink), err //nolint:unconvert // other architectures have 32 bits there
}

var _ hooks.Traced = (*Inode)(nil)
