package seccomp

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// NoID stands for a user or group that could not be learned: the task was gone.
const NoID = ^uint32(0)

// Task is a thread that made a call, as the guard's namespaces number it.
type Task struct {
	TID, PID uint32 // the thread, and the process it belongs to
	UID, GID uint32 // effective

	root bool // all of its user ids (real, effective, saved, file system) are 0
}

// readTask looks a thread up in /proc.
func readTask(tid uint32) Task {
	t := Task{TID: tid, PID: tid, UID: NoID, GID: NoID}
	fd, err := unix.Open("/proc/"+strconv.Itoa(int(tid))+"/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return t
	}
	defer unix.Close(fd)
	var buf [1024]byte // the lines wanted are among the first ten
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return t
	}
	for line := range bytes.Lines(buf[:n]) {
		key, rest, _ := bytes.Cut(line, []byte(":"))
		f := bytes.Fields(rest)
		switch {
		case string(key) == "Tgid" && len(f) == 1:
			t.PID = number(f[0])
		case string(key) == "Uid" && len(f) == 4:
			t.UID = number(f[1])
			t.root = number(f[0]) == 0 && t.UID == 0 && number(f[2]) == 0 && number(f[3]) == 0
		case string(key) == "Gid" && len(f) == 4:
			t.GID = number(f[1])
		}
	}
	return t
}

func number(text []byte) uint32 {
	n, err := strconv.ParseUint(string(text), 10, 32)
	if err != nil {
		return NoID
	}
	return uint32(n)
}
