package view

import (
	"sync"

	"golang.org/x/sys/unix"
)

// lockTable holds the descriptors by which locks are held on the backing: one for each open file that was locked by
// flock, and one for each process that locked a file by fcntl (or open file description, for its own kind of fcntl
// lock). The latter's locks are the backing's locks of open file descriptions, whatever kind was asked for: the server
// can't lock in another process's name.
type lockTable struct {
	mu     sync.Mutex
	owners map[lockKey]*lockOwner
	rung   chan struct{} // closed when a lock was given back
}

// lockKey is who locks what. The kernel's numbers of owners differ from view to view.
type lockKey struct {
	view  *View
	ino   *Inode
	owner uint64
}

type lockOwner struct {
	key lockKey
	pid uint32 // under lockTable.mu: who locked last

	mu sync.Mutex
	fd int // -1: closed
}

func newLockTable() *lockTable {
	return &lockTable{owners: make(map[lockKey]*lockOwner), rung: make(chan struct{})}
}

// bell gives what is closed when the next lock is given back.
func (t *lockTable) bell() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rung
}

func (t *lockTable) ring() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.rung)
	t.rung = make(chan struct{})
}

// descriptor gives the file's own, which flock needs.
func (t *lockTable) descriptor(f *file) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.flock == 0 {
		fd, err := reopen(f.fd, unix.O_RDONLY)
		if err != nil {
			return -1, err
		}
		f.flock = fd
	}
	return f.flock, nil
}

// has tells whether somebody may have locks.
func (t *lockTable) has(key lockKey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owners[key] != nil
}

// of gives who locks a file by fcntl, with a descriptor of the file's own.
func (t *lockTable) of(key lockKey, f *file) (*lockOwner, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.owners[key]; l != nil {
		return l, nil
	}
	fd, err := reopen(f.fd, unix.O_RDWR)
	if err != nil { // a program at work, or a read-only file system: nobody has it open for writing
		fd, err = reopen(f.fd, unix.O_RDONLY)
	}
	if err != nil {
		return nil, err
	}
	l := &lockOwner{key: key, fd: fd}
	t.owners[key] = l
	f.lockers = append(f.lockers, key)
	return l, nil
}

// by notes who locks, through which file: its last close ends the lock, whether the kernel tells of others or not.
func (t *lockTable) by(f *file, l *lockOwner, pid uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.pid = pid
	for _, k := range f.lockers {
		if k == l.key {
			return
		}
	}
	f.lockers = append(f.lockers, l.key)
}

// fcntl never waits: who waits tries again.
func (l *lockOwner) fcntl(cmd int, fl *unix.Flock_t) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return unix.EBADF
	}
	return retry(func() error { return unix.FcntlFlock(uintptr(l.fd), cmd, fl) })
}

// leave ends all locks of an owner.
func (t *lockTable) leave(key lockKey) {
	t.mu.Lock()
	l := t.owners[key]
	delete(t.owners, key)
	t.mu.Unlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	unix.Close(l.fd)
	l.fd = -1
	l.mu.Unlock()
	t.ring()
}

// leaveFile ends the locks that were got through a file that nobody has open any more.
func (t *lockTable) leaveFile(f *file) {
	t.mu.Lock()
	flock, lockers := f.flock, f.lockers
	f.flock, f.lockers = 0, nil
	t.mu.Unlock()
	if flock > 0 {
		unix.Close(flock)
		t.ring()
	}
	for _, k := range lockers {
		t.leave(k)
	}
}

// holder finds the process that holds a lock which another owner ran into: it doesn't run into it itself. 0 is somebody
// elsewhere.
func (t *lockTable) holder(n *Inode, but *lockOwner, lock unix.Flock_t) uint32 {
	t.mu.Lock()
	others := map[*lockOwner]uint32{}
	for k, l := range t.owners {
		if k.ino == n && l != but {
			others[l] = l.pid
		}
	}
	t.mu.Unlock()
	for l, pid := range others {
		probe := lock
		probe.Type, probe.Pid = unix.F_WRLCK, 0
		if err := l.fcntl(unix.F_OFD_GETLK, &probe); err == nil && probe.Type == unix.F_UNLCK {
			return pid
		}
	}
	return 0
}
