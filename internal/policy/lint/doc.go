// Package lint looks for what the author of a policy may not have meant: rules that change nothing, and rules that give
// away more than they seem to.
//
// # Concepts
//
// A policy that parses is never wrong by itself, so these are warnings, each with advice. What is looked at is the
// policy's text: its own rules and those of each stacked policy as modules, its circles, and what the caller knows of
// the bundle ([Options]). A user is who the policy names so; that a name and a number are one user is not known here,
// except for root, who is 0 everywhere.
//
// # Guarantees
//
//  1. A line that is called needless can be taken away, alone, and every user may do exactly the same as before, unless
//     the path leads through a symbolic link or to a mount of the kernel's own, or the file has other names; with
//     Options.Elsewhere the first two are known too.
//  2. Warnings come in order: the policy's own file first, then by file, line and column.
//  3. Nothing is changed, no file is read.
package lint
