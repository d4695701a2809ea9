package fsguard

import (
	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

// target is what a permission is needed on.
type target uint8

const (
	unneeded target = iota // no permission is needed: the table says why
	object                 // File, by all its names
	data                   // File, by who opened it, if the open was revocable
	place                  // Name in Dir, whether it exists or not
	moves                  // rename and link have functions of their own
)

// need is what an operation needs.
type need struct {
	on   target
	perm func(*hooks.Call) policy.Perm
	why  string // of what is unneeded
}

// needs is the whole meaning of read, write and execute.
var needs = map[hooks.Operation]need{
	hooks.OpOpen:    {on: object, perm: byFlags}, // what the descriptor could do with the file
	hooks.OpExec:    {on: object, perm: execute}, // programs, their loader, and the interpreter of a script: the kernel opens all three to execute
	hooks.OpOpenDir: {on: object, perm: read},    // list; walking through a directory needs nothing

	hooks.OpCreate:  {on: place, perm: creating}, // a new name changes its directory at that place
	hooks.OpTmpfile: {on: place, perm: creating}, // no name yet: the directory's own rule
	hooks.OpMkdir:   {on: place, perm: write},
	hooks.OpMknod:   {on: place, perm: write},
	hooks.OpSymlink: {on: place, perm: write}, // following it later needs read on its name, and what is allowed where it leads
	hooks.OpUnlink:  {on: place, perm: write}, // and nobody may gain by a stricter name going away
	hooks.OpRmdir:   {on: place, perm: write},
	hooks.OpRename:  {on: moves},
	hooks.OpLink:    {on: moves},

	hooks.OpReadlink: {on: object, perm: read},       // links that a rule's path goes through are readable besides
	hooks.OpTruncate: {on: object, perm: truncating}, // by name; a descriptor that can was allowed to when it was opened, and is asked about like a write
	hooks.OpChmod:    {on: object, perm: write},      // also through a descriptor that was opened to read
	hooks.OpChown:    {on: object, perm: write},      // likewise
	hooks.OpUtimes:   {on: object, perm: write},      // likewise
	hooks.OpGetxattr: {on: object, perm: attributes}, // except what the kernel itself asks for

	hooks.OpSetxattr:    {on: object, perm: write},
	hooks.OpRemovexattr: {on: object, perm: write},
	hooks.OpIoctl:       {on: object, perm: ioctl}, // unknown ones could change the file

	hooks.OpRead:      {on: data, perm: reading}, // else decided when the descriptor was opened, see revocable.go
	hooks.OpWrite:     {on: data, perm: write},   // likewise
	hooks.OpFallocate: {on: data, perm: write},   // likewise

	hooks.OpCopyRange: {why: "decided when the descriptors were opened; with a revocable one the kernel reads and writes instead"},
	hooks.OpFsync:     {why: "brings to disk what was allowed"},
	hooks.OpLock:      {why: "needs an open descriptor and changes nothing"},
	hooks.OpRelease:   {why: "can't be refused"},

	hooks.OpSocket:  {why: "no file"},
	hooks.OpBind:    {why: "no file"},
	hooks.OpListen:  {why: "no file"},
	hooks.OpConnect: {why: "no file"},
	hooks.OpSend:    {why: "no file"},
	hooks.OpSetuid:  {why: "no file"},
	hooks.OpSyscall: {why: "no file"},
}

// table is needs by number, for speed.
var table = func() (t [64]need) {
	for op, n := range needs {
		t[op] = n
	}
	return t
}()

// monitored are the operations that need something.
var monitored = func() (s hooks.Set) {
	for op, n := range needs {
		if n.on != unneeded {
			s |= hooks.Ops(op)
		}
	}
	return s
}()

func read(*hooks.Call) policy.Perm    { return policy.Read }
func write(*hooks.Call) policy.Perm   { return policy.Write }
func execute(*hooks.Call) policy.Perm { return policy.Execute }

// byFlags: the access mode, and O_TRUNC changes the file. Access mode 3 (ioctl only) counts as both.
func byFlags(c *hooks.Call) policy.Perm {
	var p policy.Perm
	switch c.Flags & unix.O_ACCMODE {
	case unix.O_RDONLY:
		p = policy.Read
	case unix.O_WRONLY:
		p = policy.Write
	default:
		p = policy.Read | policy.Write
	}
	if c.Flags&unix.O_TRUNC != 0 {
		p |= policy.Write
	}
	return p
}

// creating: write for the name, and what the descriptor could do with what others write there later.
func creating(c *hooks.Call) policy.Perm { return policy.Write | byFlags(c) }

// truncating: ftruncate needs a descriptor that was opened to write.
func truncating(c *hooks.Call) policy.Perm {
	if c.Attr.Handle && c.Opener == nil {
		return policy.None
	}
	return policy.Write
}

// attributes: the kernel asks for ACLs of directories on the way and for file capabilities of programs on behalf of
// whoever walks or executes there; they are part of the mode bits, which stat shows everybody.
func attributes(c *hooks.Call) policy.Perm {
	switch c.Text {
	case "system.posix_acl_access", "system.posix_acl_default", "security.capability":
		return policy.None
	}
	return policy.Read
}

// ioctl: what only asks, by number. TCGETS is how programs ask whether a file is a terminal.
func ioctl(c *hooks.Call) policy.Perm {
	switch c.Flags {
	case unix.TCGETS:
		return policy.None
	case unix.FS_IOC_GETFLAGS, fsIocGetversion, fsIocFsgetxattr, fsIoc32Getflags:
		return policy.Read
	}
	return policy.Write
}

// Numbers that golang.org/x/sys/unix doesn't have (linux/fs.h).
const (
	fsIocGetversion = 0x80087601
	fsIocFsgetxattr = 0x801c581f
	fsIoc32Getflags = 0x80046601
)
