package fork

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"klw/internal/nofile"
	"klw/internal/seccomp"
)

// Child says what a forked process does before it executes. Descriptors stay the caller's.
type Child struct {
	Cgroup  *os.File          // the v2 cgroup to be made in (its folder); nil: the caller's
	Tasks   []*os.File        // tasks files of the v1 cgroups to be in, open for writing
	Join    []int             // namespaces to enter, in order, but for the user namespace
	User    int               // the user namespace to enter; -1: none
	Flags   uintptr           // CLONE_NEW* of new namespaces, and other flags of clone
	Maps    func(int) error   // writes the id maps of a new user namespace, given the pid; nil if there is none
	Offsets func(int) error   // writes the offsets of a new time namespace, given the pid; nil if there is none
	Root    bool              // become uid and gid 0 (of the user namespace)
	Session bool              // make a session
	TTY     bool              // descriptor 0 becomes the session's terminal
	Files   []int             // become 0 … n-1; nil: leave descriptors as they are
	NoFile  *syscall.Rlimit   // limit of open files; nil: what this program was started with
	Filters []seccomp.Program // loaded right before execve
	Exe     int               // what to execute; -1: Path
	Path    string
	Args    []string
	Env     []string
}

// The runtime's own bracket around a fork, as package syscall uses it: signals are blocked in between, and the child
// gets default handlers.
//
//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// Start forks and waits until the child has executed. The caller's goroutine is locked to its thread if that thread's
// namespaces, credentials or filters are its own. With CLONE_PARENT in Flags the child is this process's parent's: it
// has to reap the pid that is given, also with an error.
func (s *Child) Start() (pid int, err error) {
	if s.plain() {
		return s.startPlain()
	}
	c, l, err := s.layOut()
	defer l.close()
	if err != nil {
		return 0, err
	}
	if pid, err = c.fork(); err != nil {
		return 0, err
	}
	l.drop(l.report[1], int(c.report)) // or the end of the pipe never shows
	if c.second {
		if pid, err = l.sibling(pid); err != nil {
			return 0, err
		}
	}
	if err := s.settle(pid, l); err != nil {
		return 0, reap(pid, err)
	}
	r, failed, err := readResult(l.report[0])
	if failed {
		err = r.err(s)
	}
	if err != nil && s.Flags&unix.CLONE_PARENT != 0 {
		return pid, err
	}
	if err != nil {
		return 0, reap(pid, err)
	}
	return pid, nil
}

// settle does what only this side can do, while the child waits for it.
func (s *Child) settle(pid int, l *laid) error {
	goOn := func() error {
		_, err := unix.Write(l.wait[1], []byte{1})
		return os.NewSyscallError("letting the new process go on", err)
	}
	if s.Maps != nil {
		if err := s.Maps(pid); err != nil {
			return err
		}
		if err := goOn(); err != nil {
			return err
		}
	}
	if s.Offsets == nil {
		return nil
	}
	r, ok, err := readResult(l.report[0])
	switch {
	case err != nil:
		return err
	case !ok:
		return errors.New("the new process was killed")
	case r.Errno != 0:
		return r.err(s)
	}
	if err := s.Offsets(pid); err != nil {
		return err
	}
	return goOn()
}

//go:noinline
//go:norace
func (c *child) fork() (int, error) {
	var pid, flags uintptr
	var errno syscall.Errno
	if !c.second {
		flags = c.flags
	}
	syscall.ForkLock.Lock()
	beforeFork()
	if c.into != nil {
		pid, errno = cloneInto(c.into)
	} else {
		pid, errno = rawClone(flags)
	}
	if errno == 0 && pid == 0 {
		afterForkInChild()
		c.run()
	}
	afterFork()
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(c)
	if errno != 0 {
		return 0, fmt.Errorf("%s: %w", steps[stepClone], errno)
	}
	return int(pid), nil
}

// layOut makes everything that the child uses. The descriptors are in laid, also with an error.
func (s *Child) layOut() (*child, *laid, error) {
	l := &laid{}
	c := &child{user: int32(s.User), flags: s.Flags, root: s.Root, session: s.Session, tty: s.TTY, wait: -1, exe: -1,
		maps: s.Maps != nil, time: s.Offsets != nil, timePath: cString("/proc/self/ns/time_for_children"),
		second: len(s.Join) > 0 || s.User >= 0, again: make([]bool, len(s.Join)), empty: new(byte),
		noFile: syscall.Rlimit{Cur: nofile.Cur, Max: nofile.Max}}
	if s.NoFile != nil {
		c.noFile = *s.NoFile
	}
	for _, f := range s.Filters {
		if len(f.Filter) > 0 {
			c.filters = append(c.filters, filter{unix.SockFprog{Len: uint16(len(f.Filter)), Filter: &f.Filter[0]}, uintptr(f.Flags)})
		}
	}
	for _, str := range append(append([]string{s.Path}, s.Args...), s.Env...) {
		if strings.IndexByte(str, 0) >= 0 {
			return nil, l, fmt.Errorf("a zero byte in %q", str)
		}
	}
	s.intoCgroups(c)
	c.path = cString(s.Path)
	c.argv, c.envv = cStrings(s.Args), cStrings(s.Env)
	top := len(s.Files)
	for _, fd := range s.Files {
		c.files = append(c.files, int32(fd))
		top = max(top, fd+1)
	}
	for _, fd := range s.Join {
		c.joins = append(c.joins, int32(fd))
		top = max(top, fd+1)
	}
	return c, l, l.place(c, s, max(top, s.User+1))
}

func (s *Child) intoCgroups(c *child) {
	c.zero = cString("0")
	for _, f := range s.Tasks {
		c.tasks = append(c.tasks, int32(f.Fd()))
	}
	if s.Cgroup == nil {
		return
	}
	c.into = &cloneArgs{flags: unix.CLONE_INTO_CGROUP, exitSignal: uint64(unix.SIGCHLD), cgroup: uint64(s.Cgroup.Fd())}
	if !c.second {
		c.into.flags |= uint64(s.Flags)
	}
}

// laid are the descriptors of a fork.
type laid struct {
	report, wait [2]int
	owned        []int
}

// place opens the pipes and puts what the child itself uses above the descriptors that it fills.
func (l *laid) place(c *child, s *Child, top int) error {
	for _, p := range []*[2]int{&l.report, &l.wait} {
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return fmt.Errorf("making a pipe: %w", err)
		}
		l.owned = append(l.owned, p[0], p[1])
	}
	move := func(to *int32, from int) error {
		fd, err := unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, top)
		if err != nil {
			return fmt.Errorf("duplicating a descriptor: %w", err)
		}
		l.owned = append(l.owned, fd)
		top = max(top, fd+1)
		*to = int32(fd)
		return nil
	}
	err := move(&c.report, l.report[1])
	if (s.Maps != nil || s.Offsets != nil) && err == nil {
		err = move(&c.wait, l.wait[0])
		c.waitEnd = int32(l.wait[1])
	}
	if s.Exe >= 0 && err == nil {
		err = move(&c.exe, s.Exe)
	}
	c.spare = int32(top)
	return err
}

func (l *laid) close() {
	for _, fd := range l.owned {
		unix.Close(fd)
	}
}

func (l *laid) drop(fds ...int) {
	for _, fd := range fds {
		for i, o := range l.owned {
			if o == fd {
				unix.Close(fd)
				l.owned = append(l.owned[:i], l.owned[i+1:]...)
				break
			}
		}
	}
}

// sibling learns the pid of the second clone from the first, and reaps that.
func (l *laid) sibling(first int) (int, error) {
	r, ok, err := readResult(l.report[0])
	for {
		if _, e := unix.Wait4(first, nil, 0, nil); e != unix.EINTR {
			break
		}
	}
	switch {
	case err != nil:
		return 0, err
	case !ok:
		return 0, errors.New("the process that enters the namespaces was killed")
	case r.Errno != 0:
		return 0, r.err(nil)
	}
	return int(r.PID), nil
}

func reap(pid int, cause error) error {
	_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return cause
		}
	}
}

func (r result) err(s *Child) error {
	if s != nil && r.Step == stepExecute {
		return fmt.Errorf("exec %s: %w", s.name(), syscall.Errno(r.Errno))
	}
	return fmt.Errorf("%s: %w", steps[r.Step], syscall.Errno(r.Errno))
}

func (s *Child) name() string {
	if s.Exe >= 0 {
		return s.Args[0]
	}
	return s.Path
}

// readResult gives what the child reported; not ok is the end of the pipe.
func readResult(fd int) (r result, ok bool, err error) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&r)), int(unsafe.Sizeof(r)))
	for {
		n, err := unix.Read(fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return r, false, os.NewSyscallError("reading from the new process", err)
		case n == 0:
			return r, false, nil
		case n != len(b):
			return r, false, errors.New("reading from the new process: short answer")
		}
		return r, true, nil
	}
}

func cString(s string) *byte { return unsafe.StringData(s + "\x00") }

// cStrings makes a nil-terminated list.
func cStrings(list []string) []*byte {
	out := make([]*byte, 0, len(list)+1)
	for _, s := range list {
		out = append(out, cString(s))
	}
	return append(out, nil)
}
