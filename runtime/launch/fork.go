package launch

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The runtime's own bracket around a fork, as package syscall uses it: signals are blocked in between, and the child
// gets default handlers.
//
//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// child is what a forked process does before it executes: everything is laid out beforehand, because between fork and
// execve in a Go process only raw system calls are allowed.
type child struct {
	joins  []int32 // namespaces to enter, in order
	second bool    // clone once more, as a sibling, after joining: what makes a new pid namespace take effect
	flags  uintptr // CLONE_NEW* of the process that executes
	maps   int32   // wait for a byte here before going on (user id maps); -1 not
	root   bool    // become uid and gid 0 (of the user namespace)
	noFile syscall.Rlimit
	files  []int32 // becomes 0 … n-1
	spare  int32   // above all descriptors used here
	report int32   // gets one result if it fails, and the pid of a second clone
	exe    int32
	argv   []*byte
	envv   []*byte
	empty  *byte
}

// result is what a child writes to report.
type result struct {
	PID   int32
	Errno int32
	Stage int32
}

var stages = [...]string{"", "entering a namespace", "making the namespaces", "waiting for the user id maps",
	"becoming root of the user namespace", "arranging descriptors", "executing " + binaryName}

func (r result) err() error {
	return fmt.Errorf("%s: %w", stages[r.Stage], syscall.Errno(r.Errno))
}

// fork runs c in a forked process with one thread and memory of its own: only such a process may enter user and time
// namespaces, and no C is needed for it.
//
//go:noinline
//go:norace
func (c *child) fork() (int, error) {
	var pid uintptr
	var errno syscall.Errno
	syscall.ForkLock.Lock()
	beforeFork()
	pid, errno = rawClone(c.firstFlags())
	if errno == 0 && pid == 0 {
		afterForkInChild()
		c.run()
	}
	afterFork()
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(c)
	if errno != 0 {
		return 0, fmt.Errorf("forking: %w", errno)
	}
	return int(pid), nil
}

//go:norace
func (c *child) firstFlags() uintptr {
	if c.second {
		return 0
	}
	return c.flags
}

//go:nosplit
//go:norace
func rawClone(flags uintptr) (uintptr, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, flags|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	return pid, errno
}

// run never returns.
//
//go:nosplit
//go:norace
func (c *child) run() {
	var r result
	r.Stage, r.Errno = c.prepare()
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.report), uintptr(unsafe.Pointer(&r)), unsafe.Sizeof(r))
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 127, 0, 0)
	}
}

//go:nosplit
//go:norace
func (c *child) prepare() (stage, errno int32) {
	for i := 0; i < len(c.joins); i++ {
		if _, _, e := syscall.RawSyscall(unix.SYS_SETNS, uintptr(c.joins[i]), 0, 0); e != 0 {
			return 1, int32(e)
		}
	}
	if c.second {
		pid, e := rawClone(c.flags | unix.CLONE_PARENT)
		if e != 0 {
			return 2, int32(e)
		}
		if pid != 0 {
			r := result{PID: int32(pid)}
			syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.report), uintptr(unsafe.Pointer(&r)), unsafe.Sizeof(r))
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	if c.maps >= 0 {
		var b byte
		if n, _, e := syscall.RawSyscall(syscall.SYS_READ, uintptr(c.maps), uintptr(unsafe.Pointer(&b)), 1); e != 0 || n != 1 {
			return 3, int32(e)
		}
	}
	return c.execute()
}

//go:nosplit
//go:norace
func (c *child) execute() (stage, errno int32) {
	if c.root {
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETGID, 0, 0, 0); e != 0 {
			return 4, int32(e)
		}
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETUID, 0, 0, 0); e != 0 {
			return 4, int32(e)
		}
	}
	if _, _, e := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&c.noFile)), 0, 0, 0); e != 0 {
		return 5, int32(e)
	}
	n := int32(len(c.files))
	for i := int32(0); i < n; i++ {
		if _, _, e := syscall.RawSyscall(syscall.SYS_DUP3, uintptr(c.files[i]), uintptr(c.spare+i), syscall.O_CLOEXEC); e != 0 {
			return 5, int32(e)
		}
	}
	for i := int32(0); i < n; i++ {
		if _, _, e := syscall.RawSyscall(syscall.SYS_DUP3, uintptr(c.spare+i), uintptr(i), 0); e != 0 {
			return 5, int32(e)
		}
	}
	_, _, e := syscall.RawSyscall6(unix.SYS_EXECVEAT, uintptr(c.exe), uintptr(unsafe.Pointer(c.empty)),
		uintptr(unsafe.Pointer(&c.argv[0])), uintptr(unsafe.Pointer(&c.envv[0])), unix.AT_EMPTY_PATH, 0)
	return 6, int32(e)
}
