// Package initproc is klw-init: the process that makes a container around itself and then becomes the application, or
// enters a container that runs already and starts one more process there.
//
// # Concepts
//
// klw-runc (package launch) forks klw-init into the namespaces of config.json and talks with it over a socket pair, the
// wire. klw-init goes through fixed steps and stops at three of them: until it is told to begin, when its mounts are
// made (klw-runc runs the prestart and createRuntime hooks), and at the exec fifo (create). The first error ends it;
// the error goes to klw-runc over the wire, after the fifo was opened over the fifo.
//
//	begin → session, keyring → cgroup namespace → loopback → root and mounts, devices, terminal
//	mounted → createContainer hooks → masked and read-only paths → pivot_root → names, sysctls
//	→ limits, priorities → user, capabilities → working directory, program found
//	ready → fifo → klw's filter, its listener handed over → startContainer hooks → the bundle's filters → execve
//
// A mount is made detached, gets its attributes, and is moved onto a descriptor of its place. A view is such a mount
// that a guard has made: it takes the place of the bind mount with the same destination, the one for "/" that of the
// root file system.
//
// An exec enters all namespaces of the container's first process but the pid namespace. It is the process itself that
// enters that, when everything else has been done.
//
// # Guarantees
//
//  1. A destination is resolved inside the root, by the kernel, to a descriptor; no name is resolved twice. Links in the
//     root file system, and whoever changes them meanwhile, lead nowhere else. Missing places are made one component
//     after the other, following no link.
//  2. Nothing is mounted on proc but proc, and what lxcfs provides; proc and sysfs are mounted on real directories.
//  3. The process gets the descriptors 0 to 2 and the preserved ones, no other.
//  4. The working directory is inside the container, and isn't reached over a magic link (CVE-2024-21626).
//  5. Writes to /proc go to the host's proc file system, seen to be one, and not to what the container has there.
//  6. klw-init isn't dumpable. In an exec no process of the container sees it (CVE-2016-9962), and its executable is on
//     a read-only mount of its own (CVE-2019-5736).
//  7. Between the bundle's last filter and execve there is no other system call, if no_new_privs is on.
//  8. Everything that config.json asks for and that is missing here is an error, but for capabilities that can't be
//     granted, which are a warning, as the specification wants it.
//
// # Dangers
//
// Namespaces, credentials, filters and capabilities belong to a thread. Everything happens on the first one, to which
// the main goroutine is locked; system calls that Go spreads over all threads (syscall.Setuid …) aren't used.
//
// The limit of open files is raised by the Go runtime at start; limits restores it (package nofile).
//
// In an exec the container runs: each file of its that klw-init looks at may be a fifo, a FUSE file or a link, and is
// opened without blocking, links or trust in what it says.
package initproc
