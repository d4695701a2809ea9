package initproc

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/runtime/launch"
)

// waitAtFifo says that all is ready and waits until start opens the fifo. From then on errors go there: klw-runc create
// has ended long ago.
func (p *proc) waitAtFifo() error {
	if err := p.tell(launch.StepReady); err != nil {
		return err
	}
	if err := unix.Close(int(p.wire)); err != nil {
		return err
	}
	p.wire = -1
	fd, err := reopen(p.Fifo, unix.O_WRONLY)
	if err != nil {
		return doing(err, "opening the exec fifo")
	}
	unix.Close(p.Fifo)
	f := os.NewFile(uintptr(fd), "exec fifo")
	p.fail = func(err error) {
		if b, e := json.Marshal(launch.NewError(err)); e == nil {
			f.Write(b)
		}
	}
	_, err = f.WriteString("0")
	return doing(err, "writing to the exec fifo")
}

// reopen opens what an O_PATH descriptor names. A container whose /proc is none gets one that only this process sees.
// No descriptor of a proc file system is kept open while it waits, unless it is that one.
func reopen(fd, flags int) (int, error) {
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	var st unix.Statfs_t
	if err := unix.Statfs("/proc", &st); err == nil && st.Type == unix.PROC_SUPER_MAGIC {
		return unix.Open(path, flags|unix.O_CLOEXEC, 0)
	}
	proc, err := newFS(specs.Mount{Type: "proc", Source: "proc"}, &mountOptions{})
	if err != nil {
		return -1, err
	}
	defer unix.Close(proc)
	return unix.Openat(proc, path[len("/proc/"):], flags|unix.O_CLOEXEC, 0)
}
