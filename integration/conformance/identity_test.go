package conformance

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// identity is who does a step.
type identity struct {
	uid, gid int
	groups   []uint32
	umask    int
	without  []int // capabilities, of root's
}

// identities meet in groups: 2000 is shared by three of them in different ways.
var identities = []identity{
	{uid: 0, gid: 0, umask: 0o022},
	{uid: 1001, gid: 1001, groups: []uint32{2000}, umask: 0o022},
	{uid: 1002, gid: 1002, groups: []uint32{2000, 3000}, umask: 0o027},
	{uid: 1001, gid: 2000, umask: 0},
	{uid: 1003, gid: 1003, umask: 0o077},
	{uid: 0, gid: 0, umask: 0o002, without: []int{
		unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_CHOWN, unix.CAP_FSETID, unix.CAP_SETFCAP}},
	{uid: 0, gid: 2000, umask: 0o022, without: []int{unix.CAP_FSETID, unix.CAP_SYS_ADMIN}},
}

// threads start one thread for each identity and give what runs a function on one of them.
func threads() func(who int, f func()) {
	var queues []chan func()
	for _, id := range identities {
		queue, ready := make(chan func()), make(chan bool)
		queues = append(queues, queue)
		go func() {
			runtime.LockOSThread()
			id.become()
			close(ready)
			for f := range queue {
				f()
			}
		}()
		<-ready
	}
	return func(who int, f func()) {
		done := make(chan bool)
		queues[who%len(queues)] <- func() {
			defer close(done)
			f()
		}
		<-done
	}
}

// become changes this thread only: these system calls are raw.
func (id identity) become() {
	demand("unshare", unix.Unshare(unix.CLONE_FS))
	unix.Umask(id.umask)
	var first *uint32
	if len(id.groups) > 0 {
		first = &id.groups[0]
	}
	raw("setgroups", unix.SYS_SETGROUPS, uintptr(len(id.groups)), uintptr(unsafe.Pointer(first)), 0)
	raw("setresgid", unix.SYS_SETRESGID, uintptr(id.gid), uintptr(id.gid), uintptr(id.gid))
	raw("setresuid", unix.SYS_SETRESUID, uintptr(id.uid), uintptr(id.uid), uintptr(id.uid))
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	demand("capget", unix.Capget(&h, &d[0]))
	for _, c := range id.without {
		d[c/32].Effective &^= 1 << (c % 32)
		d[c/32].Permitted &^= 1 << (c % 32)
		d[c/32].Inheritable &^= 1 << (c % 32)
	}
	demand("capset", unix.Capset(&h, &d[0]))
}

func raw(name string, nr, a, b, c uintptr) {
	if _, _, e := unix.RawSyscall(nr, a, b, c); e != 0 {
		demand(name, e)
	}
}

func demand(what string, err error) {
	if err != nil {
		panic(fmt.Sprintf("%s: %v", what, err))
	}
}
