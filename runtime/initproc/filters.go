package initproc

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/internal/seccomp"
)

// early: without no_new_privs only CAP_SYS_ADMIN may load a filter, so it happens before capabilities are dropped.
func (p *proc) early(s *specs.Process) bool { return !s.NoNewPrivileges && p.Config.Contain == nil }

func (p *proc) earlyFilters(s *specs.Process) error {
	if !p.early(s) {
		return nil
	}
	return p.bundleFilters()
}

// lateFilters loads klw's own filter, which turns no_new_privs on. The bundle's, if they are not in force yet, are the
// very last thing before execve.
func (p *proc) lateFilters(s *specs.Process) error {
	if p.Config.Contain != nil {
		if err := p.contain(p.Config.Contain); err != nil {
			return err
		}
	}
	if p.early(s) {
		p.Config.Filters = nil
	}
	return nil
}

func (p *proc) bundleFilters() error {
	for _, f := range p.Config.Filters {
		if err := f.Load(); err != nil {
			return doing(err, "the bundle's filter")
		}
	}
	return nil
}

// contain loads klw's filter and hands its listener over to the guard. From here on a refused call waits for the
// guard's answer, so nothing between this and execve may be one that the filter refuses.
func (p *proc) contain(f *seccomp.Program) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return doing(err, "setting no_new_privs")
	}
	listener, err := f.LoadListener()
	if err != nil {
		return doing(err, "klw's own filter")
	}
	defer listener.Close()
	if err := seccomp.Hand(p.Seccomp, listener); err != nil {
		return err
	}
	return doing(unix.Close(p.Seccomp), "closing the guard's socket")
}
