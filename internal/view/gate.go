package view

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
