package view

import (
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// readOnlyIoctls are the commands that are passed on: they tell something and change nothing.
var readOnlyIoctls = map[uint32]int{
	unix.FS_IOC_GETFLAGS: 4,
	0x801c581f:           28, // FS_IOC_FSGETXATTR
}

// Ioctl answers what the kernel asks about a file's flags. Everything else isn't for files here.
func (s *session) Ioctl(_ <-chan struct{}, in *fuse.IoctlIn, _ []byte, _ *fuse.IoctlOut, outbuf []byte) fuse.Status {
	size, ok := readOnlyIoctls[in.Cmd]
	if !ok || len(outbuf) < size {
		return fuse.Status(unix.ENOTTY)
	}
	f, e := s.file(in.Fh)
	if e != 0 {
		return fuse.Status(e)
	}
	c := &hooks.Call{Op: hooks.OpIoctl, Caller: caller(&in.InHeader), File: f.node.Inode, Flags: in.Cmd}
	return status(s.ask(c, func(*hooks.Call) hooks.Result {
		var buf [32]byte
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(f.fd), uintptr(in.Cmd), uintptr(unsafe.Pointer(&buf[0])))
		if e != 0 {
			return hooks.Result{Errno: e}
		}
		copy(outbuf, buf[:size])
		return hooks.Result{File: f.node.Inode}
	}))
}
