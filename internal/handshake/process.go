package handshake

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// FindProcess gives the identity of a living process.
func FindProcess(pid int) (Process, error) {
	p, _, err := look(pid)
	return p, err
}

// State is the letter that the kernel gives the process's state, 0 if it is gone, a later one of its number included.
func (p Process) State() byte {
	if p.PID <= 0 {
		return 0
	}
	now, state, err := look(p.PID)
	if err != nil || now != p {
		return 0
	}
	return state
}

// look reads one file once, so that the number can't be reused in between.
func look(pid int) (p Process, state byte, err error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return p, 0, fmt.Errorf("identify process %d: %w", pid, err)
	}
	// The name, in parentheses, may hold anything; fields are counted from its end: the first is the state.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return p, 0, fmt.Errorf("identify process %d: strange /proc entry", pid)
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return p, 0, fmt.Errorf("identify process %d: %w", pid, err)
	}
	return Process{PID: pid, StartTime: start}, fields[0][0], nil
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
