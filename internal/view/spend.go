package view

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// nobody is the user as whom the server writes what it doesn't know the writer of.
const nobody = 65534

// spending runs f, which may take up space, as if a user did: file systems keep a reserve for root, and who has
// CAP_SYS_RESOURCE gets at it too and isn't held to quotas. Everything else that the server may do it may still, but for
// the capabilities in less.
func (p privileges) spending(uid uint32, f func(), less ...int) error {
	if uid == ^uint32(0) {
		uid = nobody
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer p.restore()
	if uid != p.uid {
		defer p.returnTo()
		if !setfsuid(int(uid)) {
			return unix.EPERM
		}
	}
	if err := p.set(append(less, unix.CAP_SYS_RESOURCE)...); err != nil {
		return err
	}
	f()
	return nil
}

// returnTo gives the thread the server's own user id back.
func (p privileges) returnTo() {
	if !setfsuid(int(p.uid)) {
		panicForGood("restore the file system's user id", unix.EPERM)
	}
}

// setfsuid leaves the group alone: each change of credentials costs a microsecond or two.
func setfsuid(uid int) bool {
	_, _ = unix.SetfsuidRetUid(uid)
	now, _ := unix.SetfsuidRetUid(-1)
	return now == uid
}

// unprivileged is spending by nobody, and without the capability that lets set-id bits stay.
func (p privileges) unprivileged(f func()) error { return p.spending(nobody, f, unix.CAP_FSETID) }

// spend is spending for a change that has an error of its own.
func (p privileges) spend(uid uint32, do func() error, less ...int) error {
	var err error
	if e := p.spending(uid, func() { err = do() }, less...); e != nil {
		return e
	}
	return err
}
