package seccomp

import "golang.org/x/sys/unix"

// Program is a compiled filter as seccomp(2) takes it. A Program without Filter refuses nothing and need not be loaded. As
// JSON it is short and quick to read, for the way to klw-init.
type Program struct {
	Filter []unix.SockFilter
	Flags  uint // SECCOMP_FILTER_FLAG_*
}

// Listens tells whether loading the program gives a listener (LoadListener) and not just a filter (Load).
func (p Program) Listens() bool { return p.Flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 }
