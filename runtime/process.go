package runtime

import (
	"bytes"
	"os"
	"strconv"

	"klw/internal/handshake"
)

// alive says whether a process still runs; a zombie has ended. It looks at one file once, so that the number can't be
// reused in between.
func alive(p handshake.Process) bool {
	if p.PID <= 0 {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/stat")
	if err != nil {
		return false
	}
	// The name, in parentheses, may hold anything; fields are counted from its end: the first is the state.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || fields[0][0] == 'Z' || fields[0][0] == 'X' {
		return false
	}
	return string(fields[19]) == strconv.FormatUint(p.StartTime, 10)
}
