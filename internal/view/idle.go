package view

import (
	"container/list"
	"sync"
	"time"
)

// Files that are opened for reading again and again (a web server's pages) keep their descriptor and their registration
// with the kernel a little longer than they are open: making both anew costs most of an open. It is a matter of a view
// with passthrough only; where the server reads by itself there is nothing to save.

const (
	idleFiles = 256             // at the most
	idleTime  = 2 * time.Second // at least half of it, at the most all of it
)

// idle are descriptors that nobody has open. Its lock is taken last, below backing.mu.
type idle struct {
	mu    sync.Mutex
	list  list.List // of *idleFD, the longest idle first
	timer *time.Timer
	ended bool
}

type idleFD struct {
	node  *node
	share *sharedFD
	since time.Time
}

// keep takes a descriptor that nobody has open any more, with its backing.mu held. It gives those that must go.
func (i *idle) keep(v *View, n *node, share *sharedFD) (surplus []*idleFD) {
	i.mu.Lock()
	defer i.mu.Unlock()
	entry := &idleFD{n, share, time.Now()}
	if i.ended {
		return []*idleFD{entry}
	}
	share.idle = i.list.PushBack(entry)
	if i.timer == nil {
		i.timer = time.AfterFunc(idleTime/2, func() { v.sweep() })
	}
	for i.list.Len() > idleFiles {
		surplus = append(surplus, i.take(i.list.Front()))
	}
	return surplus
}

func (i *idle) take(e *list.Element) *idleFD {
	entry := i.list.Remove(e).(*idleFD)
	entry.share.idle = nil
	return entry
}

// resume takes a descriptor out that is opened again, with its backing.mu held.
func (i *idle) resume(share *sharedFD) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if share.idle != nil {
		i.take(share.idle)
	}
}

// older takes out what has been idle since before then.
func (i *idle) older(then time.Time) (old []*idleFD) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for e := i.list.Front(); e != nil && e.Value.(*idleFD).since.Before(then); e = i.list.Front() {
		old = append(old, i.take(e))
	}
	return old
}

// sweep closes what has been idle for long, and comes back as long as there is anything.
func (v *View) sweep() {
	for _, entry := range v.idle.older(time.Now().Add(-idleTime / 2)) {
		v.discard(entry)
	}
	v.idle.mu.Lock()
	defer v.idle.mu.Unlock()
	if v.idle.list.Len() == 0 {
		v.idle.timer = nil
		return
	}
	v.idle.timer.Reset(idleTime / 2)
}

// discard closes a descriptor that was taken out, unless it was opened meanwhile.
func (v *View) discard(entry *idleFD) {
	b := v.backingOf(entry.node)
	b.mu.Lock()
	defer b.mu.Unlock()
	v.idle.mu.Lock()
	again := entry.share.refs > 0 || entry.share.idle != nil || entry.share.closed
	v.idle.mu.Unlock()
	if !again {
		v.closeShare(entry.node, b, entry.share)
	}
}

// dropIdle closes what is idle of a node that the kernel has forgotten.
func (v *View) dropIdle(n *node) {
	v.mu.RLock()
	b := n.backing
	v.mu.RUnlock()
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, share := range append([]*sharedFD(nil), b.fds...) {
		if share.refs == 0 {
			v.idle.resume(share)
			v.closeShare(n, b, share)
		}
	}
}

// endIdle closes all, for good.
func (v *View) endIdle() {
	v.idle.mu.Lock()
	v.idle.ended = true
	if v.idle.timer != nil {
		v.idle.timer.Stop()
	}
	v.idle.mu.Unlock()
	for _, entry := range v.idle.older(time.Now().Add(time.Hour)) {
		v.discard(entry)
	}
}
