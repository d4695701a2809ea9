// Package policy is the one policy language of klw: its model, its parser and its printer (MISSION.md B, A8, A9, C).
// docs/policy.md is its reference.
//
// # Concepts
//
// A policy is one file, the files that it includes, and the files that it stacks. What is included joins: the result is
// one [RuleSet], as if all stood in one file. What is stacked is a [Layer] each, a rule set of its own whose refusals add
// up with the others'. A circle and what it reserves is the whole policy's, wherever it stands, and an [Expectation] is
// its author's alone.
//
// The package knows text and meaning, nothing of inodes, sockets or kernels: fsguard binds file rules and circles to
// inodes, netguard compiles socket rules, replicafs takes the replications.
//
// # Guarantees
//
//  1. A policy is parsed completely before anything uses it. Every mistake of all its files is told at once, in order, each
//     as file:line:column with what was expected; a policy with a mistake is never used in part.
//  2. No input makes the parser panic. The time that it takes grows with the length of the files, not with its square.
//  3. What String prints, parsed again with the same stacked files, is the same policy but for the places.
//  4. No path is in two circles, and none that is immutable in a module is given write in it, as paths are written; what
//     symbolic links make of that is fsguard's to see.
//  5. A resolver is asked once for each name, however many lines name it.
//  6. Everything that the words of a policy can mean stands in docs/policy.md: its grammar is compared with the parser,
//     its examples are run.
package policy
