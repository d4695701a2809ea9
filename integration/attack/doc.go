// Package attack tries to break out of the Apache bundle: each attempt under runc, under runc without seccomp and with
// all capabilities, and under klw with either configuration, the second in a user namespace too, side by side (make
// attack).
//
// An attempt that can't succeed under any of the two runc columns proves nothing, and fails the test. One that works
// under klw fails the test. A refusal by one of klw's modules without an event fails the test.
package attack
