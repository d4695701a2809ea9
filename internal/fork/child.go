package fork

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// child is a [Child] as the forked process uses it.
type child struct {
	into    *cloneArgs // clone into a v2 cgroup; nil: the caller's
	tasks   []int32    // tasks files of v1 cgroups to enter
	zero    *byte      // "0": the writer itself
	user    int32      // user namespace to enter, or -1
	joins   []int32    // namespaces to enter, in order
	again   []bool     // those that could not be entered before the user namespace was
	second  bool       // clone once more, as a sibling, after entering
	flags   uintptr
	wait    int32 // a byte comes here when this process may go on; -1: nothing to wait for
	waitEnd int32 // its writing end: closed, or the end of a dead parent's would not show
	maps    bool  // wait for the id maps
	time    bool  // make a time namespace and wait for its offsets
	root    bool
	session bool
	tty     bool
	noFile  syscall.Rlimit
	files   []int32 // becomes 0 … n-1
	spare   int32   // above all descriptors used here
	report  int32
	filters []filter
	exe     int32 // or -1: path
	path    *byte

	timePath *byte
	empty    *byte
	argv     []*byte
	envv     []*byte
}

type filter struct {
	prog  unix.SockFprog
	flags uintptr
}

// cloneArgs is struct clone_args of clone3(2), up to what it had when cgroup came.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// result is what a child writes to report: the pid of a second clone, or what failed.
type result struct{ PID, Errno, Step int32 }

const (
	stepCgroup int32 = iota + 1
	stepEnter
	stepClone
	stepMaps
	stepTime
	stepRoot
	stepSession
	stepFiles
	stepFilter
	stepExecute
)

var steps = map[int32]string{
	stepCgroup: "entering a cgroup",
	stepEnter:  "entering a namespace", stepClone: "making the namespaces", stepMaps: "waiting for the id maps",
	stepTime: "making a time namespace", stepRoot: "becoming root of the user namespace", stepSession: "making a session",
	stepFiles: "arranging descriptors", stepFilter: "loading a seccomp filter", stepExecute: "exec",
}

//go:nosplit
//go:norace
func rawClone(flags uintptr) (uintptr, syscall.Errno) {
	pid, _, e := syscall.RawSyscall6(syscall.SYS_CLONE, flags|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	return pid, e
}

// cloneInto is a fork into the v2 cgroup that args name.
//
//go:nosplit
//go:norace
func cloneInto(args *cloneArgs) (uintptr, syscall.Errno) {
	pid, _, e := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	return pid, e
}

// enterCgroups enters v1 cgroups. A thread that moves itself by a tasks file does so at once; moving a process by
// cgroup.procs, whoever does it, waits for an RCU grace period.
//
//go:nosplit
//go:norace
func (c *child) enterCgroups() (step, errno int32) {
	for i := 0; i < len(c.tasks); i++ {
		if _, _, e := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.tasks[i]), uintptr(unsafe.Pointer(c.zero)), 1); e != 0 {
			return stepCgroup, int32(e)
		}
	}
	return 0, 0
}

// run never returns.
//
//go:nosplit
//go:norace
func (c *child) run() {
	var r result
	if r.Step, r.Errno = c.enterCgroups(); r.Errno == 0 {
		r.Step, r.Errno = c.enter()
	}
	if r.Errno == 0 {
		r.Step, r.Errno = c.prepare()
	}
	if r.Errno == 0 {
		r.Step, r.Errno = c.execute()
	}
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.report), uintptr(unsafe.Pointer(&r)), unsafe.Sizeof(r))
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 127, 0, 0)
	}
}

// enter enters namespaces. Those that this user namespace has rights over come first: they may belong to it and not to
// the one that is entered; the others follow with the rights that entering gives.
//
//go:nosplit
//go:norace
func (c *child) enter() (step, errno int32) {
	for i := 0; i < len(c.joins); i++ {
		_, _, e := syscall.RawSyscall(unix.SYS_SETNS, uintptr(c.joins[i]), 0, 0)
		if e != 0 && (e != syscall.EPERM || c.user < 0) {
			return stepEnter, int32(e)
		}
		c.again[i] = e != 0
	}
	if c.user >= 0 {
		if _, _, e := syscall.RawSyscall(unix.SYS_SETNS, uintptr(c.user), unix.CLONE_NEWUSER, 0); e != 0 {
			return stepEnter, int32(e)
		}
	}
	for i := 0; i < len(c.joins); i++ {
		if c.again[i] {
			if _, _, e := syscall.RawSyscall(unix.SYS_SETNS, uintptr(c.joins[i]), 0, 0); e != 0 {
				return stepEnter, int32(e)
			}
		}
	}
	if c.second {
		c.cloneAgain()
	}
	return 0, 0
}

// cloneAgain: a pid namespace that was entered, and new ones inside a user namespace that was, are the next process's.
//
//go:nosplit
//go:norace
func (c *child) cloneAgain() {
	var r result
	pid, e := rawClone(c.flags | unix.CLONE_PARENT)
	if e == 0 && pid == 0 {
		return
	}
	r.PID, r.Errno = int32(pid), int32(e)
	if e != 0 {
		r.PID, r.Step = 0, stepClone
	}
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.report), uintptr(unsafe.Pointer(&r)), unsafe.Sizeof(r))
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
}

//go:nosplit
//go:norace
func (c *child) prepare() (step, errno int32) {
	if c.wait >= 0 {
		syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(c.waitEnd), 0, 0)
	}
	if c.maps {
		if e := c.await(); e != 0 {
			return stepMaps, e
		}
	}
	if c.root {
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETGID, 0, 0, 0); e != 0 {
			return stepRoot, int32(e)
		}
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETUID, 0, 0, 0); e != 0 {
			return stepRoot, int32(e)
		}
	}
	if c.time {
		if e := c.newTime(); e != 0 {
			return stepTime, e
		}
	}
	if c.session {
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0); e != 0 {
			return stepSession, int32(e)
		}
	}
	if c.tty {
		if _, _, e := syscall.RawSyscall(syscall.SYS_IOCTL, 0, unix.TIOCSCTTY, 0); e != 0 {
			return stepSession, int32(e)
		}
	}
	return stepFiles, c.arrange()
}

//go:nosplit
//go:norace
func (c *child) await() (errno int32) {
	var b byte
	n, _, e := syscall.RawSyscall(syscall.SYS_READ, uintptr(c.wait), uintptr(unsafe.Pointer(&b)), 1)
	if e == 0 && n != 1 {
		e = syscall.EPIPE
	}
	return int32(e)
}

// newTime makes a time namespace, waits until its offsets are written, and enters it: only a process with one thread
// can, and execve does it on newer kernels only.
//
//go:nosplit
//go:norace
func (c *child) newTime() (errno int32) {
	if _, _, e := syscall.RawSyscall(syscall.SYS_UNSHARE, unix.CLONE_NEWTIME, 0, 0); e != 0 {
		return int32(e)
	}
	var r result
	if _, _, e := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.report), uintptr(unsafe.Pointer(&r)), unsafe.Sizeof(r)); e != 0 {
		return int32(e)
	}
	if e := c.await(); e != 0 {
		return e
	}
	at := unix.AT_FDCWD
	fd, _, e := syscall.RawSyscall6(syscall.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(c.timePath)), syscall.O_RDONLY|syscall.O_CLOEXEC, 0, 0, 0)
	if e != 0 {
		return int32(e)
	}
	_, _, e = syscall.RawSyscall(unix.SYS_SETNS, fd, unix.CLONE_NEWTIME, 0)
	return int32(e)
}

//go:nosplit
//go:norace
func (c *child) arrange() (errno int32) {
	if _, _, e := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&c.noFile)), 0, 0, 0); e != 0 {
		return int32(e)
	}
	n := int32(len(c.files))
	for i := int32(0); i < n; i++ {
		if _, _, e := syscall.RawSyscall(syscall.SYS_DUP3, uintptr(c.files[i]), uintptr(c.spare+i), syscall.O_CLOEXEC); e != 0 {
			return int32(e)
		}
	}
	for i := int32(0); i < n; i++ {
		if _, _, e := syscall.RawSyscall(syscall.SYS_DUP3, uintptr(c.spare+i), uintptr(i), 0); e != 0 {
			return int32(e)
		}
	}
	return 0
}

//go:nosplit
//go:norace
func (c *child) execute() (step, errno int32) {
	for i := 0; i < len(c.filters); i++ {
		if _, _, e := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, c.filters[i].flags,
			uintptr(unsafe.Pointer(&c.filters[i].prog))); e != 0 {
			return stepFilter, int32(e)
		}
	}
	var e syscall.Errno
	if c.exe >= 0 {
		_, _, e = syscall.RawSyscall6(unix.SYS_EXECVEAT, uintptr(c.exe), uintptr(unsafe.Pointer(c.empty)),
			uintptr(unsafe.Pointer(&c.argv[0])), uintptr(unsafe.Pointer(&c.envv[0])), unix.AT_EMPTY_PATH, 0)
	} else {
		_, _, e = syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(c.path)),
			uintptr(unsafe.Pointer(&c.argv[0])), uintptr(unsafe.Pointer(&c.envv[0])))
	}
	return stepExecute, int32(e)
}
