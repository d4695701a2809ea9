package seccomp

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"
)

// Options says what Contain refuses.
type Options struct {
	NoQueues bool // also POSIX message queues
}

const (
	notify = action(unix.SECCOMP_RET_USER_NOTIF)
	allow  = action(unix.SECCOMP_RET_ALLOW)
)

// Contain makes klw's own filter: what the guards can't watch is refused, as Refusals lists it. Refused calls wait for
// the listener's answer (Serve), so each is seen by the guard, and refused too when there is no guard left to answer.
func Contain(o Options) Program { return contain(native(), o) }

func contain(a arch, o Options) Program {
	code, err := assemble([]section{{
		audit:  a.audit(),
		spans:  containSpans(a, o),
		narrow: func(uint32) bool { return false },
	}}, notify)
	if err != nil { // the list is fixed: a test would have seen it
		panic(err)
	}
	return Program{Filter: code, Flags: unix.SECCOMP_FILTER_FLAG_NEW_LISTENER |
		unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW}
}

// containSpans allows the numbers of the table but for the refusals. Other numbers answer ENOSYS. x32 calls, which only
// x86_64 has, are foreign. A tracer that skips a call sets its number to -1, which does nothing: let it pass.
func containSpans(a arch, o Options) []span {
	entries := known(a)
	for _, r := range Refusals() {
		nr, ok := a.numberOf(r.Call)
		if !ok || r.Queues && !o.NoQueues {
			continue
		}
		i, _ := slices.BinarySearchFunc(entries, nr, func(e entry, nr uint32) int { return cmp.Compare(e.nr, nr) })
		entries[i].refuse(r)
	}
	last := entries[len(entries)-1].nr
	spans := spansOf(0, entries, noCall, noCall, last)
	if a == archX86_64 {
		spans = join(spans, span{x32Bit, decision{otherwise: notify}})
	}
	return join(spans, span{0xffffffff, decision{otherwise: allow}})
}

// known lists an ABI's calls in order of their numbers, all allowed.
func known(a arch) []entry {
	entries := make([]entry, 0, len(names))
	for _, nr := range numbers[a] {
		if nr >= 0 {
			entries = append(entries, entry{uint32(nr), decision{otherwise: allow}})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.nr, b.nr) })
	return entries
}

func (e *entry) refuse(r Refusal) {
	act := notify
	if r.Quiet {
		act = action(unix.SECCOMP_RET_ERRNO) | action(r.Errno)
	}
	if len(r.any) == 0 {
		e.otherwise = act
	}
	for _, conds := range r.any {
		e.rules = append(e.rules, rule{conds: conds, act: act})
	}
}
