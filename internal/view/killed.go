package view

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// waitUnlessKilled takes the gate, or gives up when the task that asks is being killed. The kernel interrupts a
// request for every signal, but programs don't expect EINTR from rename or write: only death counts.
func waitUnlessKilled(cancel <-chan struct{}, pid uint32, g gate) bool {
	select {
	case g <- struct{}{}:
		return true
	case <-cancel:
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !dying(pid) {
		select {
		case g <- struct{}{}:
			return true
		case <-tick.C:
		}
	}
	return false
}

// waitFor waits for the end of something, or gives up when the task that asks is being killed.
func waitFor(done <-chan struct{}, pid uint32) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return true
		case <-tick.C:
			if dying(pid) {
				return false
			}
		}
	}
}

// dying tells whether SIGKILL is pending for the task, or it is gone.
func dying(pid uint32) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(int(pid)) + "/status")
	if err != nil {
		return true
	}
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) != 2 || f[0] != "SigPnd:" && f[0] != "ShdPnd:" {
			continue
		}
		set, err := strconv.ParseUint(f[1], 16, 64)
		if err == nil && set&(1<<(unix.SIGKILL-1)) != 0 {
			return true
		}
	}
	return false
}
