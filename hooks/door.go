package hooks

import (
	"math"
	"sync/atomic"
)

// door counts the calls inside a module, and shuts once. It is no sync.RWMutex because a call inside may wait for
// another one that wants in (an operation of one view that needs another): a waiting writer would keep that out.
type door struct {
	inside atomic.Int64 // how many; math.MinInt64 more when shut
	left   chan struct{}
}

func newDoor() door { return door{left: make(chan struct{}, 1)} }

// enter tells whether the call is inside. If so it must leave.
func (d *door) enter() bool {
	if d.inside.Add(1) > 0 {
		return true
	}
	d.leave()
	return false
}

func (d *door) leave() {
	if d.inside.Add(-1) == math.MinInt64 {
		select {
		case d.left <- struct{}{}:
		default:
		}
	}
}

// shut lets nobody in any more and returns when nobody is inside.
func (d *door) shut() {
	for n := d.inside.Add(math.MinInt64); n != math.MinInt64; n = d.inside.Load() {
		<-d.left
	}
}
