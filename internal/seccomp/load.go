package seccomp

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Load puts the filter into force for the calling thread and all that it starts from now on. The caller has locked the
// goroutine to the thread, and the thread has no_new_privs or CAP_SYS_ADMIN. Nothing takes a filter out again. An empty
// program loads as nothing.
func (p Program) Load() error {
	if len(p.Filter) == 0 {
		return nil
	}
	if p.Listens() {
		return fmt.Errorf("load seccomp filter: it has a listener, which LoadListener returns")
	}
	_, err := p.set()
	return err
}

// LoadListener is Load for a program that Listens: the calls it answers USER_NOTIF wait for an answer through the file.
// Once the last copy of the file is closed such calls answer ENOSYS. A task can have one such filter only; the second
// gives EBUSY.
func (p Program) LoadListener() (*os.File, error) {
	if !p.Listens() {
		return nil, fmt.Errorf("load seccomp filter: it has no listener")
	}
	fd, err := p.set()
	if err != nil {
		return nil, err
	}
	return os.NewFile(fd, "seccomp listener"), nil
}

func (p Program) set() (fd uintptr, err error) {
	if len(p.Filter) > maxInstructions {
		return 0, fmt.Errorf("load seccomp filter: it has %d instructions, the kernel takes %d", len(p.Filter), maxInstructions)
	}
	prog := unix.SockFprog{Len: uint16(len(p.Filter)), Filter: &p.Filter[0]}
	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(p.Flags),
		uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(&prog)
	if errno != 0 {
		return 0, fmt.Errorf("load seccomp filter: %w", errno)
	}
	return fd, nil
}
