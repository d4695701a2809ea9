package view

import "sync"

// gate is a lock that waits only as long as the caller is willing to.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) lock(cancel <-chan struct{}, pid uint32) bool {
	select {
	case g <- struct{}{}:
		return true
	default:
	}
	return waitUnlessKilled(cancel, pid, g)
}

func (g gate) unlock() { <-g }

// lazyGate is a gate that costs nothing until it is used.
type lazyGate struct {
	once sync.Once
	g    gate
}

func (l *lazyGate) get() gate {
	l.once.Do(func() { l.g = newGate() })
	return l.g
}
