package seccomp

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// maxInstructions is the kernel's limit, BPF_MAXINSNS.
const maxInstructions = 4096

// Offsets in struct seccomp_data, little endian.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

const (
	opLoad = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opAnd  = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opRet  = unix.BPF_RET | unix.BPF_K
	opJump = unix.BPF_JMP | unix.BPF_JA
	opJeq  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opJgt  = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	opJge  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	opJset = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
)

// place is an instruction's distance from the end of the program.
type place int

// emitter writes a program from its last instruction to its first. Filters only jump forward, so whatever an
// instruction jumps to is there already and every distance is known: no labels, no second pass.
type emitter struct {
	code []unix.SockFilter // the last instruction first
	rets map[action]place  // the newest return of each action
}

func (e *emitter) emit(code uint16, k uint32, jt, jf uint8) place {
	e.code = append(e.code, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
	return place(len(e.code) - 1)
}

// ret gives a place that answers act.
func (e *emitter) ret(act action) place {
	if p, ok := e.rets[act]; ok && e.skip(p) < 200 {
		return p
	}
	p := e.emit(opRet, act, 0, 0)
	e.rets[act] = p
	return p
}

// skip is how many instructions lie between the one emitted next and p.
func (e *emitter) skip(p place) int { return len(e.code) - int(p) - 1 }

// jump emits a conditional jump. A target beyond the reach of its 8 bits gets a relay nearby.
func (e *emitter) jump(code uint16, k uint32, t, f place) place {
	for {
		switch {
		case e.skip(t) > 255:
			t = e.relay(t)
		case e.skip(f) > 255:
			f = e.relay(f)
		default:
			return e.emit(code, k, uint8(e.skip(t)), uint8(e.skip(f)))
		}
	}
}

// relay emits an instruction that does what the one at p does, or goes there.
func (e *emitter) relay(p place) place {
	if ins := e.code[p]; ins.Code == opRet {
		np := e.emit(opRet, ins.K, 0, 0)
		e.rets[ins.K] = np
		return np
	}
	return e.emit(opJump, uint32(e.skip(p)), 0, 0)
}

// load emits a load of the word at off that goes on at p with it.
func (e *emitter) load(off uint32, p place) place {
	if e.skip(p) > 0 {
		e.relay(p)
	}
	return e.emit(opLoad, off, 0, 0)
}

// decision emits what answers one call; the number is in the accumulator on entry.
func (e *emitter) decision(d decision, narrow bool) place {
	at := e.ret(d.otherwise)
	for _, r := range slices.Backward(d.rules) {
		next := at
		at = e.ret(r.act)
		for _, c := range slices.Backward(r.conds) {
			at = e.cond(c, narrow, at, next)
		}
	}
	return at
}

// search emits a binary search over spans; the number is in the accumulator.
func (e *emitter) search(s section, spans []span) place {
	if len(spans) == 1 {
		return e.decision(spans[0].decision, s.narrow(spans[0].from))
	}
	mid := len(spans) / 2
	upper := e.search(s, spans[mid:])
	lower := e.search(s, spans[:mid])
	return e.jump(opJge, spans[mid].from, upper, lower)
}

// assemble makes the filter: the section of the call's architecture answers, or foreign where there is none.
func assemble(sections []section, foreign action) ([]unix.SockFilter, error) {
	e := &emitter{code: make([]unix.SockFilter, 0, 512), rets: map[action]place{}}
	at := e.ret(foreign)
	for _, s := range slices.Backward(sections) {
		next := at
		at = e.load(offNr, e.search(s, s.spans))
		at = e.jump(opJeq, s.audit, at, next)
	}
	e.load(offArch, at)
	if len(e.code) > maxInstructions {
		return nil, fmt.Errorf("the filter has %d instructions, the kernel takes %d", len(e.code), maxInstructions)
	}
	slices.Reverse(e.code)
	return e.code, nil
}
