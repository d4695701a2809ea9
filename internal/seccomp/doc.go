// Package seccomp makes, loads and serves seccomp filters.
//
// # Concepts
//
// A [Program] is a filter as the kernel takes it. [Compile] makes one from the seccomp section of a bundle's
// config.json; [Contain] makes klw's own, which every container under a policy has besides: it refuses what no guard can
// watch, as the list [Refusals] says. [Program.Load] puts a filter into force for a thread and its descendants, for
// good. Of several filters the strictest answer counts, so stacking never loosens.
//
// Contain's filter doesn't refuse by itself: it asks. Refused calls wait for an answer through a listener, a descriptor
// that [Program.LoadListener] gives, klw-init sends with [Hand], and the guard's module seal takes. [Listener.Serve]
// answers with an errno and tells each [Refused] call to the guard. Calls that change user ids are all asked about, and
// the guard decides by the policy in force which of them happen (docs/decisions/asking-setuid.md).
//
// # Guarantees
//
//  1. Compile means what runc with libseccomp means by the same section, with the exceptions that
//     docs/decisions/seccomp-compiler.md lists.
//  2. An error of Compile names the place in config.json.
//  3. Without a guard (it was killed) refused calls answer ENOSYS.
//  4. A listener's answer lets no call happen (SECCOMP_USER_NOTIF_FLAG_CONTINUE) but those that change user ids. Their
//     arguments are registers, which nobody can change meanwhile, and the ids of the task are read while it waits.
//  5. Each refused call is told once, before it returns, unless Refusal.Quiet says otherwise.
//  6. A call that Contain allows on every argument costs nothing: the kernel keeps such numbers in a bitmap.
//
// # Dangers
//
// Arguments are registers. Where the kernel declares a 32-bit type it cuts the upper half off, so conditions on such
// arguments must look at the lower half only (arg32): setuid(1<<32) is setuid(0).
//
// A second listener inside the container could answer for this one once this one's guard is gone, and let calls pass.
// Contain therefore refuses to make listeners, and a bundle's own listener goes with no policy.
//
// A filter that a container's process adds by itself is asked too. It can only refuse more; what it refuses by itself
// isn't told to the guard.
package seccomp
