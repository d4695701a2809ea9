package capture

import (
	"sync"
	"time"
)

// gate lets many operations in, or one exclusive holder. One task may enter twice (a request that is several
// operations), so whoever waits for exclusiveness keeps newcomers out only for a moment at a time.
type gate struct {
	mu      sync.Mutex
	change  *sync.Cond
	inside  int
	waiting int
	held    bool
}

// politeness is how long a newcomer lets somebody who waits for exclusiveness go first.
const politeness = 20 * time.Millisecond

func newGate() *gate {
	g := &gate{}
	g.change = sync.NewCond(&g.mu)
	return g
}

func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting > 0 && !g.held {
		late := time.Now().Add(politeness)
		timer := time.AfterFunc(politeness, g.change.Broadcast)
		for g.waiting > 0 && !g.held && time.Now().Before(late) {
			g.change.Wait()
		}
		timer.Stop()
	}
	for g.held {
		g.change.Wait()
	}
	g.inside++
}

func (g *gate) leave() {
	g.mu.Lock()
	g.inside--
	if g.inside == 0 {
		g.change.Broadcast()
	}
	g.mu.Unlock()
}

func (g *gate) lock() {
	g.mu.Lock()
	g.waiting++
	for g.inside > 0 || g.held {
		g.change.Wait()
	}
	g.waiting--
	g.held = true
	g.mu.Unlock()
}

func (g *gate) unlock() {
	g.mu.Lock()
	g.held = false
	g.change.Broadcast()
	g.mu.Unlock()
}
