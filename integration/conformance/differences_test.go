package conformance

import (
	"golang.org/x/sys/unix"
)

// What differs between a view and the file system it shows, and can't be helped. Steps keep away from it.
// docs/file-operations.md tells the users the same.

// keepsSetID are calls in which the kernel, or the protocol, doesn't say whether the caller may keep set-id bits
// (CAP_FSETID): views always take them off. Here nobody has the capability while doing these.
var keepsSetID = map[string]bool{
	"write": true, "pwrite": true, "pwritev2": true, "fallocate": true, "copy_file_range": true, "sendfile": true, "splice": true,
}

// maxOffset is less than the largest file of every file system. Behind that lseek and copies of nothing fail natively,
// while the kernel lets offsets of a view be anything, and a write fails after it has taken set-id bits off.
const maxOffset = 1 << 42

// removesACL makes removing an access ACL a matter of root: without CAP_FSETID, and not in the object's group, it takes
// S_ISGID off natively. The protocol tells that of a new ACL, not of the removal.
func removesACL(s *step) {
	if s.Name == "system.posix_acl_access" {
		s.Who = 0
	}
}

// shownMode leaves S_ISGID of a file that its group can't execute out. A write takes it off for who isn't in the group,
// and no request tells the server the caller's groups.
func shownMode(mode uint32) uint32 {
	if mode&unix.S_IFMT == unix.S_IFREG && mode&unix.S_IXGRP == 0 {
		mode &^= unix.S_ISGID
	}
	return mode
}

// readsDir are calls that fail on directories in ways of the file system's own (EISDIR or EINVAL).
var readsDir = map[string]bool{"read": true, "pread": true, "readv": true, "sendfile": true, "splice": true}

// holesVary tells of file systems in which reading a mapping fills holes. Through the server nobody maps the file.
func holesVary(backing string) bool { return backing == "tmpfs" || backing == "overlay" }

// O_DIRECT demands no alignment of a view without passthrough, and data goes through the backing's page cache: the call "direct" reads and
// writes aligned pieces only. A statx with AT_STATX_DONT_SYNC may tell what was true a moment ago, as with every file
// system that is a server's: no step has it. Pages that wait in a pipe are the file's own natively, and change with it:
// nothing is spliced from a file to itself.

// O_APPEND that is switched off (F_SETFL) goes on where the kernel passes data through: steps switch it on only. What is
// stored to a mapping's last page behind the end of the file is undefined, and file systems differ: no step does it.

// tolerated tells whether results may differ. Btrfs lists names of trusted attributes to everybody, views to nobody but
// administrators.
func (p *pair) tolerated(s step, native, view string) bool {
	if p.backing == "btrfs" && (s.Op == "flistxattr" || s.Op == "llistxattr") && s.Who != 0 {
		return true
	}
	return s.Op == "lseek" && (s.Flags == unix.SEEK_DATA || s.Flags == unix.SEEK_HOLE) && holesVary(p.backing) &&
		(p.options.Cached || p.options.NoPassthrough)
}

// dropFSETID takes CAP_FSETID from this thread and gives back what restores it.
func dropFSETID() (restore func()) {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	demand("capget", unix.Capget(&h, &d[0]))
	less := d
	less[0].Effective &^= 1 << unix.CAP_FSETID
	demand("capset", unix.Capset(&h, &less[0]))
	return func() { demand("capset", unix.Capset(&h, &d[0])) }
}
