package initproc

import (
	"unsafe"

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

// lateFilters loads klw's own filter, which turns no_new_privs on, and then the bundle's: nothing but execve follows.
func (p *proc) lateFilters(s *specs.Process) error {
	if p.early(s) {
		return nil
	}
	if p.Config.Contain != nil {
		if err := p.contain(p.Config.Contain); err != nil {
			return err
		}
	}
	return p.bundleFilters()
}

func (p *proc) bundleFilters() error {
	for i := range p.Config.Filters {
		if _, err := load(&p.Config.Filters[i], 0); err != nil {
			return doing(err, "loading the bundle's seccomp filter")
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
	listener, err := load(f, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	if err != nil {
		return doing(err, "loading klw's seccomp filter")
	}
	err = unix.Sendmsg(p.Seccomp, []byte("listener"), unix.UnixRights(listener), nil, unix.MSG_NOSIGNAL)
	unix.Close(p.Seccomp)
	unix.Close(listener)
	return doing(err, "handing the seccomp listener to the guard")
}

func load(f *seccomp.Program, flags uint) (int, error) {
	prog := unix.SockFprog{Len: uint16(len(f.Filter)), Filter: unsafe.SliceData(f.Filter)}
	r, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(f.Flags|flags),
		uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return -1, e
	}
	return int(r), nil
}
