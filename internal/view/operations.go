package view

import "github.com/hanwen/go-fuse/v2/fuse"

// Every request that the kernel can make is answered by a method of session written for it. There is no embedded
// default: a request that a later go-fuse adds and nobody thought about doesn't compile.
var _ fuse.RawFileSystem = (*session)(nil)

// The requests, and the operation that modules are asked about.
var _ = []any{
	// Never refused: a refused look-up would detach what is mounted below.
	(*session).Lookup, (*session).Forget, (*session).GetAttr, (*session).StatFs,

	(*session).SetAttr,       // OpTruncate, OpChmod, OpChown, OpUtimes
	(*session).Mknod,         // OpMknod; devices are refused
	(*session).Mkdir,         // OpMkdir
	(*session).Unlink,        // OpUnlink
	(*session).Rmdir,         // OpRmdir
	(*session).Rename,        // OpRename
	(*session).Link,          // OpLink
	(*session).Symlink,       // OpSymlink
	(*session).Readlink,      // OpReadlink
	(*session).GetXAttr,      // OpGetxattr
	(*session).ListXAttr,     // OpGetxattr
	(*session).SetXAttr,      // OpSetxattr
	(*session).RemoveXAttr,   // OpRemovexattr
	(*session).Create,        // OpCreate
	(*session).Tmpfile,       // OpTmpfile
	(*session).Open,          // OpOpen, OpExec
	(*session).Release,       // OpRelease
	(*session).Read,          // OpRead
	(*session).Write,         // OpWrite
	(*session).Writev,        // OpWrite
	(*session).CopyFileRange, // OpCopyRange
	(*session).Fallocate,     // OpFallocate
	(*session).Fsync,         // OpFsync
	(*session).FsyncDir,      // OpFsync
	(*session).Ioctl,         // OpIoctl
	(*session).OpenDir,       // OpOpenDir
	(*session).SetLk,         // OpLock
	(*session).SetLkw,        // OpLock

	// Covered by the open before them.
	(*session).Lseek, (*session).Flush, (*session).GetLk, (*session).ReadDir, (*session).ReadDirPlus, (*session).ReleaseDir,

	// Answered by the kernel itself: see the package comment.
	(*session).Statx, (*session).Access,

	// Not requests.
	(*session).Init, (*session).OnUnmount, (*session).String, (*session).SetDebug,
}

// Init comes when the kernel has agreed on the protocol.
func (s *session) Init(*fuse.Server) {}

// OnUnmount comes after the last request.
func (s *session) OnUnmount() { s.finish() }

// String names the file system to go-fuse.
func (s *session) String() string { return "klw" }

// SetDebug does nothing: events are the modules' matter.
func (s *session) SetDebug(bool) {}
