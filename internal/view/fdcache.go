package view

import (
	"container/list"
	"sync"

	"golang.org/x/sys/unix"
)

// fdCache keeps O_PATH descriptors of the objects used last. What is in use is never closed.
type fdCache struct {
	mu    sync.Mutex
	limit int
	byIno map[*Inode]*pathFD
	idle  *list.List // of *pathFD with refs 0, the one used last in front
}

// pathFD is an O_PATH descriptor of one object.
type pathFD struct {
	fd   int
	ino  *Inode // nil: not in the cache any more
	refs int
	idle *list.Element
}

func newFDCache(limit int) *fdCache {
	return &fdCache{limit: limit, byIno: make(map[*Inode]*pathFD), idle: list.New()}
}

// get gives the descriptor of n if there is one, to be released.
func (c *fdCache) get(n *Inode) *pathFD {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.byIno[n]
	if p != nil {
		c.take(p)
	}
	return p
}

func (c *fdCache) take(p *pathFD) {
	if p.idle != nil {
		c.idle.Remove(p.idle)
		p.idle = nil
	}
	p.refs++
}

// put adds a descriptor of n and gives what the cache then has, to be released. fd belongs to the cache.
func (c *fdCache) put(n *Inode, fd int) *pathFD {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.byIno[n]; p != nil {
		unix.Close(fd)
		c.take(p)
		return p
	}
	p := &pathFD{fd: fd, ino: n, refs: 1}
	c.byIno[n] = p
	return p
}

// retain takes a further reference of a descriptor that the caller holds.
func (c *fdCache) retain(p *pathFD) {
	c.mu.Lock()
	p.refs++
	c.mu.Unlock()
}

// release gives a reference back.
func (c *fdCache) release(p *pathFD) {
	if p == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.refs--
	if p.refs > 0 {
		return
	}
	if p.ino == nil {
		unix.Close(p.fd)
		return
	}
	p.idle = c.idle.PushFront(p)
	for c.idle.Len() > c.limit {
		c.forget(c.idle.Back().Value.(*pathFD))
	}
}

// drop takes the descriptor of n out, and closes it when nobody uses it.
func (c *fdCache) drop(n *Inode) {
	if r := n.uncommon(); r.orphan != nil {
		c.release(r.orphan)
		r.orphan = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.byIno[n]
	if p == nil {
		return
	}
	if p.refs > 0 {
		delete(c.byIno, n)
		p.ino = nil
		return
	}
	c.forget(p)
}

func (c *fdCache) forget(p *pathFD) {
	c.idle.Remove(p.idle)
	p.idle = nil
	delete(c.byIno, p.ino)
	p.ino = nil
	unix.Close(p.fd)
}
