// Package guard is the program klw-guard: one process for each container that has a policy. It serves the container's
// views, attaches its BPF programs, keeps its events, answers on its control socket, and ends with the container.
//
// # Concepts
//
// [Serve] goes through the conversation of package handshake with klw-runc: Setup, Views, Attach, Ready. Whatever it
// makes pushes its undoing on one stack ([undo]); a failure at any place, klw-runc's death before Ready, a signal and
// the container's end all run that stack, from the top.
//
// Two masters hold the modules: "files" for what the views ask (files, one more, files:NAME, for each stacked policy,
// circles where the policy has some, and audit), "kernel" for what the kernel asks itself (sockets and seal). Both tell
// their refusals to one event log.
//
// [Cleanup] undoes what a killed guard left. What that can be stands in handshake.Traces, which is on disk before the
// thing exists.
//
// # Guarantees
//
//  1. Ready is sent only when every rule of the policy is in force. A rule that can't be enforced ends the guard with
//     Failed and the reason; it never starts with less.
//  2. After Serve has returned, nothing that it made is left, whether it failed, was stopped, or the container ended.
//     One exception: stopped while the container still runs, it leaves the BPF programs attached, which end with the
//     container's cgroup: a guard that goes never opens anything.
//  3. When a guard ends or dies before its container, the container's files answer ENOTCONN.
//  4. Cleanup may run any number of times, beside a living guard too (which it ends).
//  5. The policy in force is, byte for byte, the one that klw-runc has checked, its includes too, or the one that the
//     administrator has loaded since, whatever becomes of the files in the meantime.
//  6. A policy that doesn't answer, bound to this container, as its own section @test expects isn't put into force.
//  7. Loading and unloading of a module at the administrator's request each give one event, and so does every load of a
//     policy.
//  8. A load of a policy puts all of it into force or changes nothing. No operation fails meanwhile that the old and the
//     new one allow, none passes that neither allows, and every operation that begins after the answer is decided by the
//     new one. The file that exec reads holds one policy whole at any time.
//  9. Modules learn only when told to, and status says so as long as one does. Beginning and end each give one event. A
//     module that is loaded anew enforces.
//
// # Dangers
//
// The guard runs as root in the host's namespaces: no path that the container gives is ever opened by name here.
//
// Lock order: guard.changing, loadable.mu, then a hooks.Master's own. modules.mu is held alone.
package guard
