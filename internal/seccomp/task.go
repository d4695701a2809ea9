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

	UIDs [4]uint32 // all of its user ids: real, effective, saved, file system
}

// Is tells whether a user is all that the task is.
func (t Task) Is(uid uint32) bool { return uid != NoID && t.UIDs == [4]uint32{uid, uid, uid, uid} }

// unknown is a task of which nothing could be learned.
func unknown(tid uint32) Task {
	return Task{TID: tid, PID: tid, UID: NoID, GID: NoID, UIDs: [4]uint32{NoID, NoID, NoID, NoID}}
}

// readTask looks a thread up in /proc.
func readTask(tid uint32) Task {
	t := unknown(tid)
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
			for i := range t.UIDs {
				t.UIDs[i] = number(f[i])
			}
			t.UID = t.UIDs[1]
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
