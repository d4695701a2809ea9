// Package learn makes a policy of what an application was seen to use (MISSION.md A8).
//
// # Concepts
//
// A guard that learns refuses nothing and puts each use into a [Table]: who, which name, which permission, and what was
// peculiar about it ([Kind]). [Build] makes rules of it, beside those of the policy in force, and [Merge] puts them into
// that policy's text; what comes out is read by a person as a difference and loaded like any policy.
//
// A rule of a folder covers all that is below it, so there are two kinds of widening, and both are always told in a
// comment beside the rule: what the language forces (a folder that was listed, changed or moved as a whole, one in which
// symbolic links are made) and what is folded by choice, because the names will be others the next time (files that look
// like temporary ones, a folder that the application made) or because there are many of a kind (see fold.go for the
// numbers).
//
// # Guarantees
//
//  1. Every recorded use is allowed to its user by what Build gives, except those in [Proposal.Omitted], each with the
//     reason.
//  2. Nothing else is allowed than what was used, what the policy in force allows, and what is below a rule whose comment
//     says why.
//  3. Nothing is taken away: no rule that is added hides what a shorter one in force gives to anybody.
//  4. What a policy in force says "none" about, makes immutable, or reserves for another user is left alone, by folds
//     too. "/" and the folders that hold everything of a kind (/etc, /usr/lib, /home …) never get a rule.
//  5. What one user alone did is given to that user, where several were active; what two did, to everybody.
//  6. Places between which something was moved or linked have equal permissions, for everybody.
//  7. Merge only adds lines, and words to lines: comments and order stay.
//
// # Dangers
//
// What wasn't exercised isn't known: an error page, a log rotation, next year's certificate. And what an attacker did
// while the guard learned is known: read the difference.
package learn
