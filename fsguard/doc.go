// Package fsguard is the module of the file rules (MISSION.md B1-B6): it decides, for every operation that an
// application asks of a view, whether the policy allows it.
//
// # Concepts
//
// A policy has a general list of file rules and lists of single users. [Bind] binds them to one container: users'
// names become ids by the container's own user list, symbolic links in rules are resolved inside its root, and every
// object that a rule names is pinned, so that it is known whatever name leads there. What comes out is one tree of
// path components for each user with a list of its own and one for everybody else; a name is decided by one walk down.
//
// [BindPolicy] does so for a whole policy: its own rules and those of each policy stacked on it are a [Module] each,
// whose refusals add up.
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
//     and a rule that goes through one which it may replace is not bound.
//
// # Dangers
//
// Names are the server's: who implements hooks.File must give all names that it knows, and for an object that lost its
// last name those that it had (hooks.Former), else temporary files without a name are refused.
//
// A view's server tells the names that nobody has looked up only if it is told to find them (view.Server.KnowAllNames).
//
// Rules are never changed; a Module has one pointer to those in force, which [Module.Swap] exchanges between two calls.
package fsguard
