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
	fd, err := p.openFifo()
	if err != nil {
		return doing(err, "opening the exec fifo")
	}
	unix.Close(p.Fifo)
	f := os.NewFile(uintptr(fd), "exec fifo")
	p.fail = func(err error) {
		if b, e := json.Marshal(launch.NewError(err)); e == nil {
			_, _ = f.Write(b) // nobody else listens
		}
	}
	_, err = f.WriteString("0")
	return doing(err, "writing to the exec fifo")
}

// prepareFifo finds the way to the fifo, which is given as an O_PATH descriptor, while this process still has its rights.
// A container whose /proc is none gets one that only this process sees; no other descriptor of a proc file system is
// open while it waits.
func (p *proc) prepareFifo() error {
	if !p.Config.Fifo {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs("/proc", &st); err == nil && st.Type == unix.PROC_SUPER_MAGIC {
		p.procDir = unix.AT_FDCWD
		return nil
	}
	var err error
	p.procDir, err = newFS(specs.Mount{Type: "proc", Source: "proc"}, &mountOptions{})
	return doing(err, "making a proc file system to wait at the exec fifo")
}

func (p *proc) openFifo() (int, error) {
	path := fmt.Sprintf("/proc/self/fd/%d", p.Fifo)
	if p.procDir == unix.AT_FDCWD {
		return unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	defer unix.Close(p.procDir)
	return unix.Openat(p.procDir, path[len("/proc/"):], unix.O_WRONLY|unix.O_CLOEXEC, 0)
}
