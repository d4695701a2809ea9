package view

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// administrator tells whether a thread has CAP_SYS_ADMIN.
func administrator(tid uint32) bool { return capable(tid, unix.CAP_SYS_ADMIN) }

// capable tells whether a thread has a capability where it counts: in the user namespace of the server. Who can't be
// asked has not.
func capable(tid uint32, capability int) bool {
	ours, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return false
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", tid))
	if err != nil || theirs != ours {
		return false
	}
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return false
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
			return err == nil && set&(1<<capability) != 0
		}
	}
	return false
}
