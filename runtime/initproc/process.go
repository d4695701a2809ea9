package initproc

import (
	"fmt"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/internal/nofile"
	"klw/runtime/launch"
)

// process turns this process into the application. It returns only with an error.
func (p *proc) process() error {
	s := p.Config.Spec.Process
	for _, step := range []func() error{
		p.limits, p.schedule, p.prepareFifo,
		func() error { return p.earlyFilters(s) },
		func() error { return p.become(s) },
		func() error { return p.directory(s) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	path, err := lookPath(s)
	if err != nil {
		return err
	}
	if p.Config.Fifo {
		if err := p.waitAtFifo(); err != nil {
			return err
		}
	}
	// Before the hooks: they are the container's programs, and what they leave running goes on beside the application.
	if err := p.lateFilters(s); err != nil {
		return err
	}
	if h := p.Config.Spec.Hooks; h != nil {
		if err := p.hooks("startContainer", h.StartContainer, specs.StateCreated); err != nil {
			return err
		}
	}
	return p.execute(path, s)
}

// limits lets klw-runc set the resource limits. The runtime of Go has raised the soft limit of open files and remembers
// what it was, to give it back on exec; setting the limit makes it forget.
func (p *proc) limits() error {
	p.noFile = syscall.Rlimit{Cur: nofile.Cur, Max: nofile.Max}
	if list := p.Config.Spec.Process.Rlimits; len(list) > 0 {
		if err := p.tell(launch.StepLimit); err != nil {
			return err
		}
		if err := p.await(launch.StepLimited); err != nil {
			return err
		}
		for _, l := range list {
			if l.Type == "RLIMIT_NOFILE" {
				p.noFile = syscall.Rlimit{Cur: l.Soft, Max: l.Hard}
			}
		}
	}
	return doing(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &p.noFile), "setting the limit of open files")
}

// directory enters the working directory. Magic links (/proc/self/fd/…) aren't followed, and the result must be inside the root: a leaked descriptor can't lead out (CVE-2024-21626).
func (p *proc) directory(s *specs.Process) error {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, s.Cwd, how)
	if err != nil {
		return doing(err, "working directory %q", s.Cwd)
	}
	defer unix.Close(fd)
	if err := unix.Fchdir(fd); err != nil {
		return doing(err, "working directory %q", s.Cwd)
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Getcwd(b)
	if err != nil {
		return doing(err, "working directory %q", s.Cwd)
	}
	if n < 1 || b[0] != '/' {
		return fmt.Errorf("working directory %q is outside the container", s.Cwd)
	}
	return nil
}
