// Package cgroup makes, joins, empties and removes the cgroups of one container.
//
// # Concepts
//
// A container has one cgroup in every hierarchy of the host that is mounted: one for each v1 controller, and one in v2.
// On a host with v2 alone they are one and the same. The v2 cgroup is made on a hybrid host too, where it carries no
// limits: klw's BPF programs are attached to it, and it is what kills all of a container's processes at once.
//
// The guard of a container lives in a cgroup of its own beside it ([Guard]): freezing a container, or running it out of
// memory, must not hit what guards it.
//
// # Guarantees
//
//  1. New makes nothing. Create makes the cgroups and sets every limit, before any process is in them.
//  2. New refuses a hierarchy's root, and Free a cgroup that has processes: no other's are ever killed or limited.
//  3. A process made by way of an Entry is in every cgroup of the group from its first instruction, the v2 one included.
//  4. After Kill no process is in the group, or Kill failed. Remove is idempotent.
package cgroup
