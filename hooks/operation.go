package hooks

import (
	"fmt"
	"math/bits"
	"strings"
)

// Operation is something that an application can do and a module can monitor. The list is closed: a server that
// answers a request no Operation names can't exist, and names are the field's own words.
type Operation uint8

// The operations. Their names (String) appear in events and are stable.
const (
	OpOpen        Operation = iota // open a file; Flags hold O_ACCMODE, O_TRUNC, O_APPEND …
	OpExec                         // open a file in order to execute it
	OpOpenDir                      // open a directory for listing
	OpCreate                       // create (and open) a regular file
	OpTmpfile                      // open an unnamed file (O_TMPFILE)
	OpMkdir                        // make a directory
	OpMknod                        // make a device, FIFO, socket, or regular file without opening it
	OpSymlink                      // make a symbolic link; Text is what it points to
	OpLink                         // give File a further name: NewName in NewDir
	OpRename                       // move Name in Dir to NewName in NewDir
	OpUnlink                       // remove a name that isn't a directory
	OpRmdir                        // remove a directory
	OpReadlink                     // read a symbolic link
	OpRead                         // read data (only where data does not pass through)
	OpWrite                        // write data (only where data does not pass through)
	OpTruncate                     // change the size
	OpChmod                        // change permission bits
	OpChown                        // change owner or group
	OpUtimes                       // change times
	OpGetxattr                     // read or list extended attributes
	OpSetxattr                     // set an extended attribute
	OpRemovexattr                  // remove an extended attribute
	OpFallocate                    // reserve, punch, zero …
	OpCopyRange                    // copy between files; NewFile is the destination
	OpFsync                        // bring a file or directory to disk
	OpIoctl                        // FS_IOC_*
	OpLock                         // flock or fcntl lock
	OpRelease                      // the last close of an open file description (can't be refused)
	OpSocket                       // create a socket
	OpBind                         // bind a socket
	OpListen                       // accept what comes in
	OpConnect                      // connect a socket
	OpSend                         // send to an address
	OpSetuid                       // change user ids
	OpSyscall                      // a system call that no other operation names (mount, bpf, unshare …)
	numOperations
)

var operationNames = [numOperations]string{
	"open", "exec", "opendir", "create", "tmpfile", "mkdir", "mknod", "symlink", "link", "rename", "unlink", "rmdir",
	"readlink", "read", "write", "truncate", "chmod", "chown", "utimes", "getxattr", "setxattr", "removexattr",
	"fallocate", "copyrange", "fsync", "ioctl", "lock", "release",
	"socket", "bind", "listen", "connect", "send", "setuid", "syscall",
}

// String gives the operation's name as it appears in events.
func (o Operation) String() string {
	if int(o) < len(operationNames) {
		return operationNames[o]
	}
	return fmt.Sprintf("operation(%d)", uint8(o))
}

// Operations gives all operations in order.
func Operations() []Operation {
	all := make([]Operation, numOperations)
	for i := range all {
		all[i] = Operation(i)
	}
	return all
}

// Set is a set of operations.
type Set uint64

// Ops makes a set.
func Ops(ops ...Operation) Set {
	var s Set
	for _, o := range ops {
		s |= 1 << o
	}
	return s
}

// Has tells whether o is in the set.
func (s Set) Has(o Operation) bool { return s&(1<<o) != 0 }

// List gives the members in order.
func (s Set) List() []Operation {
	list := make([]Operation, 0, bits.OnesCount64(uint64(s)))
	for o := range numOperations {
		if s.Has(o) {
			list = append(list, o)
		}
	}
	return list
}

// String lists the names, with blanks between.
func (s Set) String() string {
	var names []string
	for _, o := range s.List() {
		names = append(names, o.String())
	}
	return strings.Join(names, " ")
}
