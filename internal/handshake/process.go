package handshake

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FindProcess gives the identity of a living process.
func FindProcess(pid int) (Process, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Process{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	// The name, in parentheses, may hold blanks and parentheses; fields are counted from its end.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return Process{}, fmt.Errorf("identify process %d: strange /proc entry", pid)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return Process{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	return Process{PID: pid, StartTime: start}, nil
}

// Open gives a pidfd of exactly this process: ESRCH if it is gone, a later one of its number included.
func (p Process) Open() (*os.File, error) {
	if p.PID <= 0 {
		return nil, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	now, err := FindProcess(p.PID)
	if err != nil || now != p {
		f.Close()
		return nil, unix.ESRCH
	}
	return f, nil
}
