package hooks

import "syscall"

// Info describes a module.
type Info struct {
	Name        string // unique in a master
	Description string // one line
	Monitors    Set
	Permanent   bool // can't be unloaded by request (seal)
}

// Module is a guard: something that watches operations. It implements Pre, Post, Kernel or several of them.
type Module interface {
	Info() Info
}

// Pre decides before the operation.
type Pre interface {
	Pre(*Call) Verdict
}

// Post sees the result. It can't change it.
type Post interface {
	Post(*Call, *Result)
}

// Kernel is a module whose rules the kernel asks itself. Load puts them into force: all of them or, with an error,
// none. Unload takes them out. The master calls Load when the module is registered and Unload when it goes.
type Kernel interface {
	Load() error
	Unload() error
}

// Verdict is a module's answer. The zero value lets the call pass.
type Verdict struct {
	Errno syscall.Errno // not 0: refused
	Rule  string        // the rule that decided, as file:line; NoRule if none matched
	Path  string        // the name that the rule was about, where there is one
	Hint  string        // the smallest change that would allow the call
}

// NoRule is Verdict.Rule where nothing allowed the call.
const NoRule = "no rule"

// Allow lets a call pass.
var Allow = Verdict{}

// Refused tells whether the verdict ends the call.
func (v Verdict) Refused() bool { return v.Errno != 0 }
