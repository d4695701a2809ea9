package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// acquireBacking decides how the data of an opened file is reached, and gives the backing id, or 0 for reads and
// writes by the server.
func (v *View) acquireBacking(f *file) int32 {
	if !v.pass {
		return 0
	}
	b := &f.node.backing
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opens == 0 {
		b.id = v.register(f.fd)
	}
	b.opens++
	f.uses = b
	return b.id
}

// register gives the kernel a backing file. It keeps the credentials of this moment for all later writes: without
// CAP_FSETID they take set-id bits off, as those of ordinary users do.
func (v *View) register(fd int) int32 {
	var id int32
	e := unix.EPERM
	err := v.srv.priv.unprivileged(func() {
		id, e = v.fuse.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
	})
	if err != nil || e != 0 {
		return 0
	}
	return id
}

func (v *View) releaseBacking(f *file) {
	b := f.uses
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opens--
	if b.opens == 0 && b.id != 0 {
		v.fuse.UnregisterBackingFd(b.id)
		b.id = 0
	}
}
