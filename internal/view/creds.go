package view

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// privileges are the capabilities with which the server started, and to which every thread returns.
type privileges struct {
	data     [2]unix.CapUserData
	uid, gid uint32
	umask    uint32
}

var capHeader = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}

func currentPrivileges() privileges {
	var p privileges
	h := capHeader
	if err := unix.Capget(&h, &p.data[0]); err != nil {
		panic(fmt.Sprintf("view: capget: %v", err))
	}
	p.uid, p.gid, p.umask = uint32(unix.Geteuid()), uint32(unix.Getegid()), currentUmask()
	return p
}

// currentUmask reads the umask without changing it meanwhile.
func currentUmask() uint32 {
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		panic(fmt.Sprintf("view: read the umask: %v", err))
	}
	for _, line := range strings.Split(string(b), "\n") {
		if text, ok := strings.CutPrefix(line, "Umask:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(text), 8, 32)
			if err == nil {
				return uint32(mask)
			}
		}
	}
	panic("view: /proc shows no umask")
}

// set makes the effective set of this thread what the server started with, less the given capabilities.
func (p privileges) set(less ...int) error {
	d := p.data
	for _, c := range less {
		d[c/32].Effective &^= 1 << (c % 32)
	}
	h := capHeader
	return unix.Capset(&h, &d[0])
}

// restore returns the thread to the server's own privileges. A thread for which that fails must serve nobody: files
// fail closed when the process ends.
func (p privileges) restore() {
	if err := p.set(); err != nil {
		panicForGood("restore capabilities", err)
	}
}

// asCaller runs f with the caller's file system ids and umask, so that what f creates is the caller's. Capabilities
// stay: the kernel has checked permission on the view already (default_permissions).
func (p privileges) asCaller(uid, gid, umask uint32, f func()) error {
	if uid == p.uid && gid == p.gid && umask == p.umask {
		f() // the threads are like that already
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // a umask of this thread's own
		return err
	}
	old := unix.Umask(int(umask))
	defer unix.Umask(old)
	defer p.becomeSelf()
	if !setfsids(int(uid), int(gid)) {
		return unix.EPERM
	}
	if err := p.set(unix.CAP_SYS_RESOURCE); err != nil { // leaving 0 has cleared some
		return err
	}
	f()
	return nil
}

// asCallerLess is asCaller without the right to keep set-id bits.
func (p privileges) asCallerLess(uid, gid uint32, f func()) error {
	var err error
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e := p.asCaller(uid, gid, p.umask, func() {
		defer p.restore()
		if err = p.set(unix.CAP_FSETID, unix.CAP_SYS_RESOURCE); err == nil {
			f()
		}
	})
	if e != nil {
		return e
	}
	return err
}

func (p privileges) becomeSelf() {
	if !setfsids(int(p.uid), int(p.gid)) {
		panicForGood("restore file system ids", unix.EPERM)
	}
	p.restore()
}

func setfsids(uid, gid int) bool {
	_, _ = unix.SetfsgidRetGid(gid)
	_, _ = unix.SetfsuidRetUid(uid)
	u, _ := unix.SetfsuidRetUid(-1)
	g, _ := unix.SetfsgidRetGid(-1)
	return u == uid && g == gid
}

// panicForGood ends the process whatever recovers above.
func panicForGood(what string, err error) {
	go panic(fmt.Sprintf("view: %s: %v", what, err))
	select {}
}
