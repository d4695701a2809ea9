// Package nofile remembers the limit of open files that the program was started with.
//
// Go's package syscall raises the soft limit when a program starts and gives the old one back in its own fork and exec
// only. Who forks otherwise needs it too. This package imports nothing: the language specification initialises
// packages that are ready in the order of their import paths, so this one comes before "syscall".
package nofile

import "unsafe"

// Cur is the soft limit that the program was started with.
var Cur = limit.cur

// Max is the hard limit.
var Max = limit.max

var limit = read()

//go:linkname rawSyscall6 syscall.RawSyscall6
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)

func read() (l struct{ cur, max uint64 }) {
	const rlimitNofile = 7
	rawSyscall6(sysPrlimit64, 0, rlimitNofile, 0, uintptr(unsafe.Pointer(&l)), 0, 0)
	return l
}
