package seccomp

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Listener is the guard's end of a filter that asks. Closing the last copy of its descriptor makes the filter refuse
// by itself, with ENOSYS.
type Listener struct {
	file   *os.File
	conn   syscall.RawConn
	list   []Refusal
	closed atomic.Bool
}

// NewListener takes over a listener's descriptor.
func NewListener(fd int) (*Listener, error) {
	if err := checkListener(fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "seccomp listener") // non-blocking, so the runtime waits for it without a thread
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("watch seccomp listener: %w", err)
	}
	return &Listener{file: file, conn: conn, list: Refusals()}, nil
}

func checkListener(fd int) error {
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return fmt.Errorf("look at seccomp listener: %w", err)
	}
	if link != "anon_inode:seccomp notify" {
		return fmt.Errorf("the descriptor received is no seccomp listener but %s", link)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("prepare seccomp listener: %w", err)
	}
	return nil
}

// Close ends Serve and lets go of the listener.
func (l *Listener) Close() error {
	l.closed.Store(true)
	return l.file.Close()
}

// Answer is what becomes of a call.
type Answer uint8

// The answers. A Refusal that isn't Asked about is refused whatever the answer.
const (
	Refuse Answer = iota // with the Refusal's errno
	Ignore               // it succeeds without being made
	Pass                 // it is made
)

// Serve answers every call that the filter asks about until the last task under the filter is gone or the listener is
// closed. decide hears of each before the call returns; it runs on Serve's goroutine.
func (l *Listener) Serve(decide func(Refused) Answer) error {
	gone := false
	var failed error
	err := l.conn.Read(func(fd uintptr) bool {
		for !l.closed.Load() {
			var ready bool
			if ready, gone, failed = look(int(fd)); failed != nil || gone || !ready {
				return failed != nil || gone
			}
			if failed = l.answer(int(fd), decide); failed != nil {
				return true
			}
		}
		return true
	})
	if failed == nil && !gone && !l.closed.Load() && !errors.Is(err, os.ErrClosed) {
		failed = err
	}
	if failed != nil {
		return fmt.Errorf("serve seccomp listener: %w", failed)
	}
	return nil
}

// look tells, without waiting, whether a call waits for an answer, and whether there never will be another one.
func look(fd int) (ready, gone bool, err error) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		_, err = unix.Poll(p, 0)
		if err != unix.EINTR {
			break
		}
	}
	ready = p[0].Revents&unix.POLLIN != 0
	return ready, !ready && p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0, err
}

// notification is struct seccomp_notif.
type notification struct {
	id    uint64
	pid   uint32 // of the thread, as this process's namespace numbers it
	flags uint32
	nr    uint32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

// answer takes one call and answers it. A caller that died meanwhile needs no answer.
func (l *Listener) answer(fd int, decide func(Refused) Answer) error {
	var n notification
	if err := ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil {
		return ignore(err, unix.ENOENT)
	}
	r := describe(n, l.list)
	r.Task = readTask(n.pid)
	if ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&n.id)) != nil {
		r.Task = unknown(n.pid) // it died: what was read may be another's
	}
	resp := response{id: n.id}
	switch a := decide(r); {
	case a == Pass && r.Asked:
		resp.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	case a == Ignore && r.Asked:
	default:
		resp.errno = -int32(r.Refusal.Errno)
	}
	return ignore(ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&resp)), unix.ENOENT)
}

func ignore(err, harmless error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}

func ioctl(fd int, cmd uint, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(cmd), uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}
