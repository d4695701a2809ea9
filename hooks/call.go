package hooks

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"klw/internal/inode"
)

// Caller is the task that asks. The ids are those of the host (the server's namespaces).
type Caller struct {
	PID  uint32
	UID  uint32
	GID  uint32
	Comm string // the command name, where the kernel told it; else ""
}

// File is an object of a file system, known by its identity and not by a name.
type File interface {
	// Key is the identity.
	Key() inode.Key
	// Paths gives every name by which the object is known to the server, as absolute paths seen by the application.
	// It is empty for an object without a name (unlinked or unnamed). The slice belongs to the caller.
	Paths() []string
	// Type gives the S_IFMT bits.
	Type() uint32
}

// Former is a File that remembers its names, so that an object without one is decided by what it was.
type Former interface {
	// FormerPaths gives the names that the object had when it lost its last one and, for an unnamed file (O_TMPFILE),
	// the names of the directory that it was made in. The slice belongs to the caller.
	FormerPaths() []string
}

// Traced is a File whose server knows who reaches it past its names.
type Traced interface {
	// Openings gives each open file description of the object, and each open of it whose call is being decided.
	Openings() []Opening
	// Passed gives the access modes with which the object has been open while its data passed through in the kernel.
	// Mappings may be left of that: the kernel doesn't tell when they end.
	Passed() (modes []uint32)
	// Links gives how many names the object has, known to the server or not.
	Links() (uint64, error)
}

// Opening is an open file description.
type Opening struct {
	UID   uint32 // who opened it; it may have been passed on
	Flags uint32 // open flags
}

// Socket is what a socket operation acts on.
type Socket struct {
	Family   uint16 // AF_*
	Type     uint16 // SOCK_*
	Protocol uint16 // IPPROTO_*
	Addr     netip.AddrPort
	Name     string // abstract UNIX name, without the leading NUL
}

// Attr is a change of attributes. Only what Valid names counts.
type Attr struct {
	Valid  AttrSet
	Mode   uint32 // permission bits, S_ISUID, S_ISGID, S_ISVTX
	UID    uint32
	GID    uint32
	Size   int64
	Atime  unix.Timespec // resolved: never UTIME_NOW
	Mtime  unix.Timespec
	Handle bool // through an open descriptor
}

// AttrSet tells which fields of an Attr count.
type AttrSet uint8

// The members of an AttrSet.
const (
	AttrMode AttrSet = 1 << iota
	AttrUID
	AttrGID
	AttrSize
	AttrAtime
	AttrMtime
)

// Call is one monitored operation. Fields that an operation doesn't have are zero. A Pre may change parameters
// (Flags, Mode, Attr, Offset, Size, Data) but not the objects.
type Call struct {
	Op     Operation
	Caller Caller

	File File   // the object; for an operation on a name, what the name leads to (nil if it doesn't exist yet)
	Dir  File   // the directory that Name is in
	Name string // the name in Dir

	NewDir  File   // rename, link: where to
	NewName string // rename, link: the name there
	NewFile File   // what NewName leads to before the call (nil if nothing); copyrange: the destination

	Flags  uint32 // open flags, rename flags, fallocate mode, ioctl command
	Mode   uint32 // create, mkdir, mknod: type and permission bits after the umask
	Dev    uint32 // mknod
	Attr   Attr   // truncate, chmod, chown, utimes: all that one request changes
	Offset int64  // read, write, fallocate, copyrange
	Size   int64  // read, fallocate, copyrange
	Data   []byte // write: the bytes; setxattr: the value
	Text   string // symlink: the target; setxattr, getxattr, removexattr: the attribute; syscall: its name and arguments

	NewOffset int64 // copyrange: where in the destination

	// Revocable is for a Pre to set (on open, exec, create and tmpfile): data of the file is asked for at every read,
	// write, fallocate and truncate, with Opener. It comes too late for a file that is open already without it.
	Revocable bool
	// Watched is for a Pre to set likewise: data of the file goes through the server, so that it knows who has the file open
	// until the last mapping is gone. The kernel keeps mappings of data that passes through to itself.
	Watched bool
	Opener  *Caller // who opened the file that data is read or changed through, if the open was Revocable; else nil

	Writeback bool // write: whole pages that were stored through a mapping, later; Caller need not be who stored

	Socket *Socket
}

// Result is how a call ended. Errno 0 is success.
type Result struct {
	Errno syscall.Errno
	File  File         // what was created or opened
	Stat  *unix.Stat_t // resulting attributes of File (or Call.File), where the server has them
	N     int64        // bytes read, written or copied
}
