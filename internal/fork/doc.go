// Package fork starts processes where Go's own fork can't: in namespaces that exist already, in a new user namespace of
// somebody else's making, with filters that must be loaded between fork and execve.
//
// # Concepts
//
// A [Child] is laid out completely, then forked: a copy of this process with one thread and memory of its own, which is
// what the kernel asks of who enters a user or time namespace; runc needs a C constructor for that. Between fork and
// execve it makes raw system calls on what was laid out, and nothing else: no allocation, no lock, no growing stack.
// What Go's own fork can do is left to it, which is faster.
//
// # Guarantees
//
//  1. What fails in the child is told by [Child.Start] as an error that names the step.
//  2. The child executes with the limit of open files that this program was started with, not with what the Go runtime
//     raised it to.
//  3. No descriptor but those listed in Files, and those that aren't close-on-exec, is open after execve.
//
// # Dangers
//
// The functions that run in the child are nosplit and norace. A call of anything but syscall.RawSyscall in them may
// hang for ever on a lock that another thread held at the time of the fork.
package fork
