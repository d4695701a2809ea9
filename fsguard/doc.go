// Package fsguard has the modules of the file rules (MISSION.md B1-B6) and of circles (C): they decide, for every
// operation that an application asks of a view, whether the policy allows it.
//
// # Concepts
//
// A policy has a general list of file rules and lists of single users. [Bind] binds them to one container: users'
// names become ids by the container's own user list, symbolic links in rules are resolved inside its root, and every
// object that a rule names is pinned, so that it is known whatever name leads there. What comes out is one tree of
// path components for each user with a list of its own and one for everybody else; a name is decided by one walk down.
//
// [BindPolicy] does so for a whole policy: its own rules and those of each policy stacked on it are a [Module] each,
// whose refusals add up, and its circles are one more, a [CircleModule]. That gives nothing: it refuses what a circle
// reserves to everybody but its owner, root included, whatever the rules give. Each kind keeps to its own lists.
//
// A module can learn ([Module.Learn]): then it lets everything pass and records it (package learn), by the same table of
// what operations need by which it decides otherwise.
//
// # Guarantees
//
//  1. What no rule allows is refused, and what has no name that a rule could be about, too.
//  2. For a name the rule with the longest path counts, by whole components, of the general list and the caller's
//     together. Where both lists have a rule for that very path, their permissions join.
//  3. An object that the server knows by several names has only what all of them allow.
//  4. No name can be moved, linked or removed so that anybody gains or loses a right on what it leads to: rename and
//     link between places that differ for anybody answer EXDEV, whole subtrees considered.
//  5. A rule holds for what does not exist yet.
//  6. Every monitored operation stands in one table (needs.go) with what it needs, every other one with the reason why
//     it needs nothing. A test compares the table with the list of operations.
//  7. The time of a decision does not depend on how many rules there are, and an allowed call makes no garbage but the
//     list of names that the server gives.
//  8. The application doesn't choose what a rule is about: it can't put a symbolic link where a rule's path goes through,
//     and a rule that goes through one which it may replace is not bound. The same holds for circles.
//  9. What a rule makes immutable nobody is given write on by any rule of its module, with links followed.
//  10. An object with any name in a circle is reserved, under all its names; a name is, whether there is something or
//     not. Nobody but the owner makes, removes, replaces or changes anything there, and where reading is reserved, reads,
//     lists or executes it. Nothing that leads there is moved or replaced by anybody.
//  11. Names don't move out of a circle: not by the owner either (EXDEV, so that tools copy). Into it the owner moves what
//     nobody else can reach: a file with no other name, which nobody else has open or mapped, or is about to open, in a
//     way that is reserved there. So a file that is replaced by rename stays reserved. For this, data of files where an
//     owner has write goes through the server (hooks.Call.Watched).
//  12. No two lines of circles are about one object: lines that turn out to be, by links, hard links or folders that are
//     bound twice, are not bound.
//  13. While a module learns it refuses nothing, and what it lets pass is in the record, or counted as lost. A policy
//     that allows what is in the record refuses none of it when it comes again.
//
// # Dangers
//
// Names are the server's: who implements hooks.File must give all names that it knows, and for an object that lost its
// last name those that it had (hooks.Former), else temporary files without a name are refused.
//
// A view's server tells the names that nobody has looked up only if it is told to find them (view.Server.KnowAllNames).
//
// Circles go by who calls. Nobody becomes the owner of one by setuid (hooks/seal), but who could make an owner's process do
// something acts as the owner: what he executes should be nobody else's to write, and nobody may trace him (runtime
// takes CAP_SYS_PTRACE).
//
// What somebody has open already when circles are bound stays open; BindPolicy warns of the files that lines name.
//
// FIFOs and sockets are opened by the kernel, with one answer for all: what is reserved of them nobody has.
//
// Lock order: marks.mu is held alone.
//
// Rules are never changed; a Module has one pointer to those in force, which [Module.Swap] exchanges between two calls.
package fsguard
