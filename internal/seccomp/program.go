package seccomp

import "golang.org/x/sys/unix"

// Program is a compiled filter as seccomp(2) takes it.
type Program struct {
	Filter []unix.SockFilter `json:"filter"`
	Flags  uint              `json:"flags,omitempty"` // SECCOMP_FILTER_FLAG_*
}
