package launch

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

	"klw/internal/nofile"
)

// Start makes klw-init in the namespaces of the spec. It returns once the process exists, before it does anything.
func Start(o Options) (*Init, error) {
	if err := check(&o); err != nil {
		return nil, err
	}
	s := &starter{o: o}
	defer s.close()
	i, err := s.start()
	if err != nil {
		return nil, fmt.Errorf("starting klw-init: %w", err)
	}
	return i, nil
}

func check(o *Options) error {
	c := o.Config
	switch {
	case c == nil || c.Spec == nil || c.Spec.Process == nil:
		return errors.New("config.json has no process")
	case len(c.Spec.Process.Args) == 0:
		return errors.New("config.json: process.args is empty")
	case c.Exec && o.JoinPID <= 0:
		return errors.New("exec needs the container's first process")
	case !c.Exec && (c.Spec.Root == nil || c.Spec.Root.Path == ""):
		return errors.New("config.json has no root.path")
	case len(c.Views) != len(o.ViewMounts):
		return fmt.Errorf("%d views but %d mounts for them", len(c.Views), len(o.ViewMounts))
	case c.Contain != nil && o.SeccompSock == nil:
		return errors.New("klw's seccomp filter needs a socket to the guard")
	case c.Fifo && o.ExecFifo == nil:
		return errors.New("create needs an exec fifo")
	case c.Spec.Process.Terminal && o.ConsoleSocket == nil:
		return errors.New("process.terminal needs a console socket")
	}
	return nil
}

// starter holds what is needed until the process exists.
type starter struct {
	o     Options
	ns    namespaces
	files []int32 // the child's descriptors by number
	owned []int   // to be closed afterwards
}

func (s *starter) own(fd int) int {
	s.owned = append(s.owned, fd)
	return fd
}

func (s *starter) close() {
	for _, fd := range s.owned {
		unix.Close(fd)
	}
}

func (s *starter) start() (*Init, error) {
	// Not traceable, and not by a process of a container that a fork of ours enters.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("becoming untraceable: %w", err)
	}
	if err := s.findNamespaces(); err != nil {
		return nil, err
	}
	binary, err := findBinary(s.o.Binary)
	if err != nil {
		return nil, err
	}
	exe, err := openBinary(binary)
	if err != nil {
		return nil, err
	}
	s.own(exe)
	wires, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket pair: %w", err)
	}
	s.own(wires[1])
	pid, err := s.spawn(exe, wires[1])
	if err != nil {
		unix.Close(wires[0])
		return nil, err
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		unix.Close(wires[0])
		return nil, err
	}
	return &Init{config: s.o.Config, pid: pid, process: p, wire: Wire(wires[0]), warn: s.o.Warn}, nil
}

// spawn lays out the descriptors and starts the process.
func (s *starter) spawn(exe, wire int) (int, error) {
	if err := s.stdio(); err != nil {
		return 0, err
	}
	for n := range s.o.PreserveFDs {
		s.files = append(s.files, int32(3+n))
	}
	wireNumber := s.pass(wire)
	p := s.payload()
	b, err := json.Marshal(p)
	if err != nil {
		return 0, fmt.Errorf("encoding the configuration: %w", err)
	}
	memfd, err := sealedMemfd("klw-config", b, unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		memfd, err = sealedMemfd("klw-config", b, 0)
	}
	if err != nil {
		return 0, err
	}
	configNumber := s.pass(s.own(memfd))
	return s.fork(exe, []string{binaryName, strconv.Itoa(wireNumber), strconv.Itoa(configNumber)})
}

// pass makes a descriptor of ours one of the child's and gives its number there.
func (s *starter) pass(fd int) int {
	s.files = append(s.files, int32(fd))
	return len(s.files) - 1
}

func (s *starter) stdio() error {
	for _, f := range []*os.File{s.o.Stdin, s.o.Stdout, s.o.Stderr} {
		if f != nil {
			s.pass(int(f.Fd()))
			continue
		}
		fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("opening %s: %w", os.DevNull, err)
		}
		s.pass(s.own(fd))
	}
	return nil
}

func (s *starter) payload() *Payload {
	p := &Payload{Config: s.o.Config, Preserve: s.o.PreserveFDs,
		NewNet: s.ns.flags&unix.CLONE_NEWNET != 0, UserNS: s.ns.user}
	for _, v := range s.o.ViewMounts {
		p.Views = append(p.Views, s.pass(int(v.Fd())))
	}
	if s.o.Config.Contain != nil {
		p.Seccomp = s.pass(int(s.o.SeccompSock.Fd()))
	}
	if s.o.Config.Fifo {
		p.Fifo = s.pass(int(s.o.ExecFifo.Fd()))
	}
	if s.o.Config.Spec.Process.Terminal {
		p.Console = s.pass(int(s.o.ConsoleSocket.Fd()))
	}
	if s.ns.pidns >= 0 {
		p.PIDNS = s.pass(s.ns.pidns)
	}
	return p
}

// fork starts the child and gives its pid.
func (s *starter) fork(exe int, args []string) (int, error) {
	var report, maps [2]int
	if err := unix.Pipe2(report[:], unix.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("making a pipe: %w", err)
	}
	s.own(report[0])
	if err := unix.Pipe2(maps[:], unix.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("making a pipe: %w", err)
	}
	s.own(maps[1])
	c := &child{joins: s.ns.joins, second: len(s.ns.joins) > 0, flags: s.ns.flags, maps: -1, root: s.ns.user, files: s.files}
	c.noFile = syscall.Rlimit{Cur: nofile.Cur, Max: nofile.Max}
	c.argv = cStrings(args)
	c.envv = cStrings([]string{"GOMAXPROCS=2", "GOGC=off"})
	c.empty = new(byte)
	if err := s.place(c, exe, report[1], maps[0]); err != nil {
		return 0, err
	}
	pid, err := c.fork()
	runtime.KeepAlive(s)
	unix.Close(report[1])
	unix.Close(maps[0])
	if err != nil {
		return 0, err
	}
	return s.settle(c, pid, report[0], maps[1])
}

// place moves what the child itself uses to numbers above those that it fills.
func (s *starter) place(c *child, exe, report, maps int) error {
	top := len(s.files)
	for _, fd := range append(s.files, s.ns.joins...) {
		top = max(top, int(fd)+1)
	}
	for _, d := range []struct {
		to   *int32
		from int
	}{{&c.exe, exe}, {&c.report, report}, {&c.maps, maps}} {
		fd, err := unix.FcntlInt(uintptr(d.from), unix.F_DUPFD_CLOEXEC, top)
		if err != nil {
			return fmt.Errorf("duplicating a descriptor: %w", err)
		}
		*d.to = int32(s.own(fd))
		top = max(top, fd+1)
	}
	if s.ns.flags&unix.CLONE_NEWUSER == 0 {
		c.maps = -1
	}
	c.spare = int32(top)
	return nil
}

// settle writes the id maps and learns from the child that it executed klw-init.
func (s *starter) settle(c *child, pid, report, maps int) (int, error) {
	// Our duplicate of the writing end must go, or the end of the pipe never shows.
	unix.Close(int(c.report))
	s.disown(int(c.report))
	if c.second {
		r, ok, err := readResult(report)
		var ws unix.WaitStatus
		unix.Wait4(pid, &ws, 0, nil)
		switch {
		case err != nil:
			return 0, err
		case !ok:
			return 0, fmt.Errorf("the process that enters the namespaces ended: status %#x", ws)
		case r.Errno != 0:
			return 0, r.err()
		}
		pid = int(r.PID)
	}
	if s.ns.flags&unix.CLONE_NEWUSER != 0 {
		if err := s.writeMaps(pid); err != nil {
			unix.Kill(pid, unix.SIGKILL)
			unix.Wait4(pid, nil, 0, nil)
			return 0, err
		}
		if _, err := unix.Write(maps, []byte{1}); err != nil {
			return 0, fmt.Errorf("letting klw-init go on: %w", err)
		}
	}
	r, failed, err := readResult(report)
	if err == nil && failed {
		unix.Wait4(pid, nil, 0, nil)
		err = r.err()
	}
	return pid, err
}

func (s *starter) disown(fd int) {
	for i, o := range s.owned {
		if o == fd {
			s.owned = append(s.owned[:i], s.owned[i+1:]...)
			return
		}
	}
}

// readResult gives what the child reported; not ok is the end of the pipe.
func readResult(fd int) (r result, ok bool, err error) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&r)), int(unsafe.Sizeof(r)))
	for {
		n, err := unix.Read(fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return r, false, fmt.Errorf("reading from the new process: %w", err)
		case n == 0:
			return r, false, nil
		case n != len(b):
			return r, false, errors.New("reading from the new process: short answer")
		}
		return r, true, nil
	}
}

// cStrings makes a nil-terminated list of nul-terminated strings.
func cStrings(list []string) []*byte {
	out := make([]*byte, 0, len(list)+1)
	for _, s := range list {
		out = append(out, unsafe.StringData(s+"\x00"))
	}
	return append(out, nil)
}
