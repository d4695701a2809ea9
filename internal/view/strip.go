package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// mayStrip tells whether a caller may have set-id bits taken off by a change of nothing. The kernel asks for one, and
// leaves the right to it to the server, when somebody calls chown(2) without an owner, for which one must own the
// file, and when somebody writes, for which a descriptor open for writing is enough.
func (s *session) mayStrip(n *node, in *fuse.SetAttrIn, fd int) error {
	if n.typ == unix.S_IFDIR {
		return nil
	}
	st, err := fstat(fd)
	if err != nil {
		return err
	}
	kept := st.Mode&unix.S_ISUID == 0 && st.Mode&(unix.S_ISGID|unix.S_IXGRP) != unix.S_ISGID|unix.S_IXGRP
	if kept || in.InHeader.Uid == st.Uid || s.hasWriter(n) || capable(in.Pid, unix.CAP_FOWNER) {
		return nil
	}
	return unix.EPERM
}

// hasWriter tells whether somebody has a file open for writing through this view.
func (v *View) hasWriter(n *node) bool {
	b := v.backingOf(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, share := range b.fds {
		if share.refs > 0 && share.flags&unix.O_ACCMODE != unix.O_RDONLY {
			return true
		}
	}
	return false
}
