// Package launch starts klw-init and leads it through its steps: the side of klw-runc. The other side, and what happens
// inside, is package initproc.
//
// # Concepts
//
// [Start] makes the process in its namespaces; it then waits. The caller puts it into its cgroups and calls the methods
// of [Init] in the order
//
//	Go → Mounted → (prestart and createRuntime hooks) → Continue → Ready      a new container
//	Go → Ready                                                                Config.Exec
//
// Descriptors travel by inheritance, the configuration in a sealed memfd, messages over a socket pair. klw-init tells
// warnings and at most one error.
//
// New namespaces are made by clone, but for the cgroup namespace, which klw-init makes once it is in the cgroup that is to
// be its root. Existing ones are entered by a forked process before it
// executes klw-init (package fork).
//
// What needs rights on the host that a user namespace takes away is done from here: id maps, resource limits,
// oomScoreAdj, bind mounts of a container with a user namespace, id-mapped mounts.
//
// # Guarantees
//
//  1. klw-init does nothing before Go.
//  2. klw-init is executed from a read-only mount of its own; nothing can write to its file through it.
//  3. An error of klw-init comes back as an [Error]; errors.Is finds the kernel's answer in it.
//  4. After an error Kill leaves no process.
//
// # Dangers
//
// Start makes the calling process undumpable, for good: a fork of it is in the container's namespaces for an instant.
//
// Options.PreserveFDs takes the numbers from 3 on as they are: who opens files before must keep out of their way.
package launch
