// Package hooks is the master and its modules (MISSION.md A1-A4, G2).
//
// # Concepts
//
// A monitored operation is described by a [Call]: who asks (Caller), what is asked (Op and its parameters) and on
// what (File, Dir, Socket). A [Module] names the operations it monitors and implements what it needs of three small
// interfaces: [Pre] decides before the operation, [Post] sees its result, [Kernel] compiles its rules into the kernel,
// which then asks them without coming back here. A [Master] holds the modules of one server.
//
// # Guarantees
//
//  1. For every monitored call each module's Pre runs in stack order, which is the order of registration. The first
//     refusal ends the call with that module's errno; the operation and later Pres don't run.
//  2. After the operation, or after a refusal, Post runs for every module whose Pre passed, in reverse order, with the
//     real result. A module without Pre counts as having passed.
//  3. Composition is conjunction: the stack lets a call through exactly if each module would.
//  4. A call is inside a module from its Pre to its Post, the operation included. Unregister returns when none is
//     inside and none will enter again: no Pre is left without its Post.
//  5. Close refuses while a module is registered.
//  6. Every refusal reaches the master's Observer, once, before the call returns.
//  7. An operation that nobody monitors costs one atomic load and a bounds check.
//
// # Dangers
//
// Register, Unregister and Close must not be called from inside a Pre, a Post or the operation: Unregister would wait
// for itself. An operation that hangs keeps Unregister waiting.
// Modules must not keep a *Call or *Result after they return.
//
// Lock order: Master.mu (registry changes only) is never held while a module runs.
package hooks
