package view

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// Locking says which locks of a view are the backing's, so that they hold between all views of a file and the host.
// What isn't is the kernel's own: it holds between all who use the same view.
type Locking int

// The kinds of Locking.
const (
	LockLocally   Locking = iota
	ShareFlock            // flock(2); costs nothing where nobody locks
	ShareAllLocks         // fcntl(2) too: each close of a file that was opened for writing is a request
)

// GetLk looks for a lock in the way of another.
func (s *session) GetLk(_ <-chan struct{}, in *fuse.LkIn, out *fuse.LkOut) fuse.Status {
	f, e := s.file(in.Fh)
	if e != 0 {
		return fuse.Status(e)
	}
	l, err := s.locks.of(lockKey{s.View, f.node.Inode, in.Owner}, f)
	if err != nil {
		return answer(errno(err))
	}
	fl := toFlock(&in.Lk)
	if err := l.fcntl(unix.F_OFD_GETLK, &fl); err != nil {
		return answer(errno(err))
	}
	out.Lk = fromFlock(&fl)
	if fl.Type != unix.F_UNLCK && fl.Pid == -1 { // OFD: one of ours, or of the host's
		out.Lk.Pid = s.locks.holder(f.node.Inode, l, fl)
	}
	return fuse.OK
}

// SetLk sets or removes a lock, or says at once that it can't be had.
func (s *session) SetLk(cancel <-chan struct{}, in *fuse.LkIn) fuse.Status {
	return s.setLock(cancel, in, false)
}

// SetLkw sets a lock when it can be had.
func (s *session) SetLkw(cancel <-chan struct{}, in *fuse.LkIn) fuse.Status {
	return s.setLock(cancel, in, true)
}

func (s *session) setLock(cancel <-chan struct{}, in *fuse.LkIn, wait bool) fuse.Status {
	f, e := s.file(in.Fh)
	if e != 0 {
		return fuse.Status(e)
	}
	c := &hooks.Call{Op: hooks.OpLock, Caller: caller(&in.InHeader), File: f.node.Inode, Flags: in.Lk.Typ}
	return status(s.ask(c, func(*hooks.Call) hooks.Result {
		try := func() error { return s.tryLock(f, in) }
		if in.LkFlags&fuse.LK_FLOCK != 0 {
			try = func() error { return s.tryFlock(f, in.Lk.Typ) }
		}
		if err := s.locks.until(cancel, wait, try); err != nil {
			return failed(err)
		}
		if in.Lk.Typ == unix.F_UNLCK {
			s.locks.ring()
		}
		return hooks.Result{File: f.node.Inode}
	}))
}

func (s *session) tryFlock(f *file, typ uint32) error {
	how := map[uint32]int{unix.F_RDLCK: unix.LOCK_SH, unix.F_WRLCK: unix.LOCK_EX, unix.F_UNLCK: unix.LOCK_UN}[typ]
	fd, err := s.locks.descriptor(f)
	if err != nil {
		return err
	}
	return retry(func() error { return unix.Flock(fd, how|unix.LOCK_NB) })
}

func (s *session) tryLock(f *file, in *fuse.LkIn) error {
	key := lockKey{s.View, f.node.Inode, in.Owner}
	if in.Lk.Typ == unix.F_UNLCK && !s.locks.has(key) {
		return nil
	}
	l, err := s.locks.of(key, f)
	if err != nil {
		return err
	}
	fl := toFlock(&in.Lk)
	if in.Lk.Typ != unix.F_UNLCK {
		s.locks.by(f, l, in.Lk.Pid)
	}
	return l.fcntl(unix.F_OFD_SETLK, &fl)
}

// Flush is a close: it ends the locks that the process has on the file, through whichever descriptor it got them.
func (s *session) Flush(_ <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	if s.opts.Locking != ShareAllLocks {
		return fuse.ENOSYS // the kernel doesn't ask again
	}
	if f, e := s.file(in.Fh); e == 0 {
		s.locks.leave(lockKey{s.View, f.node.Inode, in.LockOwner})
	}
	return fuse.OK
}

// The longest and shortest time before a lock that somebody else has, who doesn't ring, is tried again.
const (
	minLockPause = time.Millisecond
	maxLockPause = 50 * time.Millisecond
)

// until tries to get a lock until it is got, or the caller is interrupted.
func (t *lockTable) until(cancel <-chan struct{}, wait bool, try func() error) error {
	for pause := minLockPause; ; pause = min(2*pause, maxLockPause) {
		bell := t.bell()
		err := try()
		if err != unix.EAGAIN && err != unix.EACCES || !wait {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-bell:
			pause = minLockPause
		case <-timer.C:
		case <-cancel:
			timer.Stop()
			return unix.EINTR
		}
		timer.Stop()
	}
}

func toFlock(l *fuse.FileLock) unix.Flock_t {
	fl := unix.Flock_t{Type: int16(l.Typ), Whence: unix.SEEK_SET, Start: int64(l.Start)}
	if l.End < lastOffset {
		fl.Len = int64(l.End-l.Start) + 1
	}
	return fl
}

const lastOffset = 1<<63 - 1

func fromFlock(fl *unix.Flock_t) fuse.FileLock {
	l := fuse.FileLock{Typ: uint32(fl.Type), Start: uint64(fl.Start), End: lastOffset}
	if fl.Len != 0 {
		l.End = l.Start + uint64(fl.Len) - 1
	}
	if fl.Pid > 0 {
		l.Pid = uint32(fl.Pid)
	}
	return l
}
