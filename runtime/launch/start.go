package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"klw/internal/fork"
	"klw/internal/seccomp"
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
	case slices.ContainsFunc(c.Filters, seccomp.Program.Listens):
		return errors.New("linux.seccomp.listenerPath is not supported")
	case c.Contain != nil && o.SeccompSock == nil:
		return errors.New("klw's seccomp filter needs a socket to the guard")
	case c.Fifo && o.ExecFifo == nil:
		return errors.New("create needs an exec fifo")
	case c.Spec.Process.Terminal && o.ConsoleSocket == nil:
		return errors.New("process.terminal needs a console socket")
	}
	return checkLabels(c.Spec)
}

// starter holds what is needed until the process exists.
type starter struct {
	o     Options
	ns    namespaces
	files []int // the child's descriptors by number
	owned []int // to be closed afterwards
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
	if s.o.Config.Fifo {
		if err := os.Chmod(fmt.Sprintf("/proc/self/fd/%d", s.o.ExecFifo.Fd()), 0o622); err != nil {
			return nil, fmt.Errorf("opening the exec fifo to the container's user: %w", err)
		}
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
	if err := Wire(wires[0]).Identify(); err != nil {
		unix.Close(wires[0])
		return nil, err
	}
	pid, err := s.spawn(exe, wires[1])
	if err != nil {
		unix.Close(wires[0])
		return nil, err
	}
	i := &Init{config: s.o.Config, pid: pid, wire: Wire(wires[0]), warn: s.o.Warn}
	if a := s.o.Config.Spec.Process.ExecCPUAffinity; a != nil && s.o.Config.Exec {
		if err := SetCPUs(pid, a.Initial); err != nil {
			return nil, errors.Join(err, i.Kill())
		}
	}
	return i, nil
}

// spawn lays out the descriptors and starts the process.
func (s *starter) spawn(exe, wire int) (int, error) {
	if err := s.stdio(); err != nil {
		return 0, err
	}
	for n := range s.o.PreserveFDs {
		s.files = append(s.files, 3+n)
	}
	wireNumber := s.pass(wire)
	p := s.payload()
	err := s.passProc(p)
	if err != nil {
		return 0, err
	}
	if p.Sources, err = s.sources(); err != nil {
		return 0, err
	}
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
	s.files = append(s.files, fd)
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

// passProc gives an exec, which has the container's files only, the host's proc file system to set its label with.
func (s *starter) passProc(p *Payload) error {
	if !s.o.Config.Exec || s.o.Config.Spec.Process.ApparmorProfile == "" {
		return nil
	}
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening /proc: %w", err)
	}
	p.Proc = s.pass(s.own(fd))
	return nil
}

// fork starts the child and gives its pid.
func (s *starter) fork(exe int, args []string) (int, error) {
	c := &fork.Child{Cgroup: s.o.Cgroup, Tasks: s.o.Tasks, Join: s.ns.joins, User: s.ns.joinUser, Flags: s.ns.flags, Root: s.ns.user, Files: s.files, Exe: exe,
		Args: args, Env: []string{"GOMAXPROCS=1", "GOGC=off"}}
	if s.ns.flags&unix.CLONE_NEWUSER != 0 {
		l := s.o.Config.Spec.Linux
		c.Maps = func(pid int) error { return writeMaps(pid, l.UIDMappings, l.GIDMappings) }
	}
	if s.ns.time {
		c.Offsets = s.writeOffsets
	}
	return c.Start()
}
