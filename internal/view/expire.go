package view

import (
	"bytes"
	"encoding/binary"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// ExpireSpecial makes what LimitSpecial's functions answer now hold at once for what the kernel knows already. Names
// only expire, which makes the kernel look them up again: an invalidated one would lose what is mounted on it. Where the
// kernel can't expire names (before Linux 6.2), what is newly allowed shows when the old answer ends to be valid.
func (s *Server) ExpireSpecial() {
	for _, v := range s.allViews() {
		for _, n := range v.special() {
			v.invalidate(n, -1)
			v.expireNames(n)
		}
	}
}

// special gives the objects that the kernel opens by itself, as far as it knows them.
func (v *View) special() (list []*Inode) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, n := range v.nodes {
		switch n.typ {
		case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
		default:
			list = append(list, n.Inode)
		}
	}
	return list
}

func (v *View) expireNames(n *Inode) {
	if v.fuse.KernelSettings().Flags64()&fuse.CAP_HAS_EXPIRE_ONLY == 0 {
		return
	}
	v.srv.mu.RLock()
	links := append([]link(nil), n.links...)
	v.srv.mu.RUnlock()
	for _, l := range links {
		v.expire(l.parent.id, l.name)
		if l.parent == v.root {
			v.expire(rootID, l.name)
		}
	}
}

// notifyInvalEntry is FUSE_NOTIFY_INVAL_ENTRY (linux/fuse.h).
const notifyInvalEntry = 3

// expire has a name looked up before it is used again. What the kernel doesn't know has nothing to expire.
func (v *View) expire(parent uint64, name string) {
	var b bytes.Buffer
	const headers = 16 + 16
	for _, field := range []any{
		uint32(headers + len(name) + 1), int32(notifyInvalEntry), uint64(0), // fuse_out_header
		parent, uint32(len(name)), uint32(fuse.EXPIRE_ONLY), // fuse_notify_inval_entry_out
	} {
		_ = binary.Write(&b, binary.NativeEndian, field)
	}
	b.WriteString(name + "\x00")
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	if v.notify >= 0 {
		_, _ = unix.Write(v.notify, b.Bytes())
	}
}
