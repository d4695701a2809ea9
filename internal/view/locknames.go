package view

import (
	"sync"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// spot is a name in a directory; no name is none.
type spot struct {
	*node
	name string
}

// lockNames locks the directories of names that are to change, and finds what they lead to, with references and known
// by all names that it has. unlock may be called twice.
func (s *session) lockNames(op hooks.Operation, pid uint32, from, to spot) (a, b *Inode, unlock func(), e unix.Errno) {
	l := nameLock{session: s, pid: pid}
	for {
		unlockDirs := lockDirs(from.Inode, to.Inode)
		a, b = s.peek(op, from), s.peek(op, to)
		if l.ready(op, a, b) {
			return a, b, sync.OnceFunc(func() { unlockDirs(); l.leaveMove() }), 0
		}
		unlockDirs()
		e = l.prepare(a, b)
		s.release(a, b)
		if e != 0 {
			return nil, nil, nil, e
		}
	}
}

// nameLock is what has to be waited for, without locks, before names are locked.
type nameLock struct {
	*session
	pid     uint32
	settled bool // all names have been asked for
	known   bool // what the names lead to is known by all names
	moving  bool // no survey walks while a directory moves
}

func (l *nameLock) ready(op hooks.Operation, a, b *Inode) bool {
	l.known = l.counts(a) && l.counts(b) || l.settled && l.enough(a) && l.enough(b)
	move := op == hooks.OpRename && (isDir(a) || isDir(b))
	return l.known && (l.moving || !move)
}

func (l *nameLock) prepare(a, b *Inode) unix.Errno {
	if !l.known {
		l.leaveMove() // a survey would wait for it
		l.settled = true
		return l.allNames(l.pid, a, b)
	}
	if l.moving = l.survey.enterMove(l.pid); !l.moving {
		return unix.EINTR
	}
	return 0
}

func (l *nameLock) leaveMove() {
	if l.moving {
		l.moving = false
		l.survey.leaveMove()
	}
}

func isDir(n *Inode) bool { return n != nil && n.typ == unix.S_IFDIR }

// peek finds what a name leads to before the name changes, with a reference; nil if nothing. Where nobody monitors
// the operation only what is known already matters.
func (s *session) peek(op hooks.Operation, at spot) *Inode {
	if at.name == "" {
		return nil
	}
	if !s.master.Monitored(op) {
		return s.known(at.Inode, at.name)
	}
	n, _, err := s.child(at.Inode, at.name)
	if err != nil {
		return nil
	}
	return n
}

// lockDirs locks the names of one or two directories, always in the same order. unlock may be called twice.
func lockDirs(a, b *Inode) (unlock func()) {
	if a == b {
		a.dir.Lock()
		return sync.OnceFunc(a.dir.Unlock)
	}
	if a.id > b.id {
		a, b = b, a
	}
	a.dir.Lock()
	b.dir.Lock()
	return sync.OnceFunc(func() {
		b.dir.Unlock()
		a.dir.Unlock()
	})
}
