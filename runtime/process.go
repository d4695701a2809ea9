package runtime

import "klw/internal/handshake"

// alive says whether a process still runs; a zombie has ended.
func alive(p handshake.Process) bool {
	switch p.State() {
	case 0, 'Z', 'X':
		return false
	}
	return true
}
