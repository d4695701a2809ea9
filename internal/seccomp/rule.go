package seccomp

import (
	"fmt"
	"slices"
)

// action is what a filter answers: SECCOMP_RET_* and its data.
type action = uint32

// op compares a system call's argument.
type op uint8

const (
	opEq     op = iota
	opNe        // the negations follow what they negate
	opGe        //
	opLt        //
	opGt        //
	opLe        //
	opMasked    // argument & mask == value
	opAny       // argument & mask != 0
)

// cond is one condition on one argument.
type cond struct {
	arg   uint8
	op    op
	low   bool // only the low 32 bits count: the kernel declares the argument as a 32-bit type
	mask  uint64
	value uint64
}

// always tells that the condition holds whatever the argument is.
func (c cond) always(narrow bool) bool {
	mask := c.mask
	if narrow || c.low {
		mask &= 0xffffffff
	}
	return c.op == opMasked && mask == 0
}

// rule answers a call whose arguments meet all conditions.
type rule struct {
	conds []cond
	act   action
	place int // in the profile's list of calls, for errors
}

// decision is the answer to one system call: that of the first rule that holds, else otherwise.
type decision struct {
	rules     []rule
	otherwise action
}

// decide turns a call's rules, in the profile's order, into its decision. As with libseccomp a rule without conditions
// covers all that have some, wherever it stands, and the first of several such rules counts.
func decide(rules []rule, narrow bool, otherwise action) decision {
	for _, r := range rules {
		if !slices.ContainsFunc(r.conds, func(c cond) bool { return !c.always(narrow) }) {
			return decision{otherwise: r.act}
		}
	}
	return decision{rules: rules, otherwise: otherwise}
}

// check looks for two rules with the same conditions and different answers.
func (d decision) check() error {
	for i, r := range d.rules {
		for _, s := range d.rules[:i] {
			if r.act != s.act && slices.Equal(r.conds, s.conds) {
				return fmt.Errorf("linux.seccomp.syscalls[%d]: answers the same calls and arguments otherwise than syscalls[%d]",
					r.place, s.place)
			}
		}
	}
	return nil
}

// span is a range of system call numbers with one decision: from its number up to the next span's.
type span struct {
	from uint32
	decision
}

// section is what a filter does for one audit architecture. Its spans are sorted; the first starts at 0.
type section struct {
	audit  uint32
	spans  []span
	narrow func(nr uint32) bool // whether that call's arguments have 32 bits
}

// entry is a call with its rules, before spans are made.
type entry struct {
	nr uint32
	decision
}

// spansOf covers all numbers from first up: entries (sorted by number) as they say, the rest with gap, and numbers
// above last with beyond.
func spansOf(first uint32, entries []entry, gap, beyond action, last uint32) []span {
	var spans []span
	next := first
	fill := func(to uint32) { // [next, to) belongs to no entry
		if next < to {
			spans = join(spans, span{next, decision{otherwise: gap}})
		}
	}
	for _, e := range entries {
		fill(e.nr)
		spans = join(spans, span{e.nr, e.decision})
		next = e.nr + 1
	}
	fill(last + 1)
	return join(spans, span{last + 1, decision{otherwise: beyond}})
}

// join appends a span, or lets the last one go on if both answer the same to every call.
func join(spans []span, s span) []span {
	if n := len(spans); n > 0 {
		last := spans[n-1]
		if len(last.rules) == 0 && len(s.rules) == 0 && last.otherwise == s.otherwise {
			return spans
		}
	}
	return append(spans, s)
}
