// Package runtime is the life cycle of containers as the OCI runtime specification has it: create, start, run, exec,
// kill, delete, state, list.
//
// # Concepts
//
// A [Container] is a folder of a [layout.Root]; its state.json says what was made for it. Nothing of klw-runc stays
// behind as a daemon: each call reads the state, and the status follows from the live process (number and start time)
// and from the exec fifo, which exists until the container is started.
//
// A container whose bundle has a policy has a guard: a klw-guard process of its own, started before the container's
// first process and ending after the last. Such a container is also confined (see confine): what a bundle leaves open
// and a guard can't see is closed or refused.
//
// The first process, klw-init, is package launch's; cgroups, hooks and the guard have packages of their own below this
// one.
//
// # Guarantees
//
//  1. state.json exists, and names every cgroup, before anything outside the container's folder is made. So after a
//     kill -9 at any point Delete with force finds everything.
//  2. A Create that fails leaves nothing behind.
//  3. The first instruction of the container's process runs in all its cgroups and, under a policy, with its guard
//     attached.
//  4. A container never becomes another one: a process is known by number and start time, the id by its folder.
//  5. Hooks run in the specification's order, with the state on standard input.
//  6. Without a policy no guard runs, and nothing is spent on one.
//
// # Locks
//
// Create, Start, Exec (until the process runs) and Delete hold the container's lock (flock on layout.Dir.Lock). Reading
// the state and Kill don't: hooks may ask for the state while Create holds the lock.
package runtime
