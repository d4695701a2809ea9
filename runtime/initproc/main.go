package initproc

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"klw/runtime/launch"
)

func init() {
	// Namespaces, credentials and filters are a thread's: everything happens on the first one.
	runtime.LockOSThread()
}

// Main is klw-init. It returns never: it executes the application, or exits with 1 after having said why.
func Main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "klw-init is started by klw-runc only")
		os.Exit(2)
	}
	wire, err1 := strconv.Atoi(os.Args[1])
	config, err2 := strconv.Atoi(os.Args[2])
	if err1 != nil || err2 != nil {
		fmt.Fprintln(os.Stderr, "klw-init is started by klw-runc only")
		os.Exit(2)
	}
	p := &proc{wire: launch.Wire(wire), dev: -1}
	err := p.run(config)
	if p.fail != nil {
		p.fail(err)
	} else {
		p.say(launch.Message{Error: launch.NewError(err)})
	}
	os.Exit(1)
}

// proc is the state of one klw-init.
type proc struct {
	launch.Payload
	wire launch.Wire
	host host
	root root
	// procDir leads to the exec fifo.
	procDir int
	// dev is the mount of /dev if it is to become read-only, else -1.
	dev int
	// noFile is the process's limit of open files.
	noFile syscall.Rlimit
	// fail reports an error where somebody listens: nil is the wire.
	fail func(error)
}

// run returns only with an error.
func (p *proc) run(config int) error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return doing(err, "becoming untraceable")
	}
	if err := setName("klw-init"); err != nil { // it was executed by a descriptor's number
		return err
	}
	if err := p.read(config); err != nil {
		return err
	}
	if err := closeOnExec(3 + p.Preserve); err != nil {
		return err
	}
	if err := p.await(launch.StepBegin); err != nil {
		return err
	}
	if p.Config.Exec {
		return p.enter()
	}
	return p.create()
}

func (p *proc) read(fd int) error {
	f := os.NewFile(uintptr(fd), "config")
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return doing(err, "reading the configuration")
	}
	b := make([]byte, st.Size)
	if _, err := f.ReadAt(b, 0); err != nil {
		return doing(err, "reading the configuration")
	}
	return doing(json.Unmarshal(b, &p.Payload), "decoding the configuration")
}

// await waits for a step of klw-runc's. If klw-runc is gone there is nobody to work for.
func (p *proc) await(want launch.Step) error {
	m, err := p.wire.Receive()
	if errors.Is(err, launch.ErrClosed) {
		os.Exit(1)
	}
	if err != nil {
		return err
	}
	if m.Step != want {
		return fmt.Errorf("klw-runc said %q, expected %q", m.Step, want)
	}
	return nil
}

func (p *proc) tell(s launch.Step) error { return p.wire.Send(launch.Message{Step: s}) }

// say tells klw-runc something that changes nothing here: if it is gone there is nobody left to hear it.
func (p *proc) say(m launch.Message) { _ = p.wire.Send(m) }

func (p *proc) warn(format string, args ...any) {
	p.say(launch.Message{Warn: fmt.Sprintf(format, args...)})
}

// closeOnExec marks all descriptors from that number on: the process gets what is meant for it and nothing else.
func closeOnExec(from int) error {
	return doing(unix.CloseRange(uint(from), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC), "marking descriptors close-on-exec")
}

// doing wraps an error, if there is one, with what was being done.
func doing(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

func setName(name string) error {
	b := append([]byte(name), 0)
	return doing(unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0), "naming the process")
}
