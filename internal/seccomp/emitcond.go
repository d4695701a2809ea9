package seccomp

// half is one 32-bit half of an argument.
type half struct {
	off   uint32
	mask  uint32
	value uint32
}

func (c cond) lowHalf() half {
	return half{offArgs + 8*uint32(c.arg), uint32(c.mask), uint32(c.value)}
}

func (c cond) highHalf() half {
	return half{offArgs + 8*uint32(c.arg) + 4, uint32(c.mask >> 32), uint32(c.value >> 32)}
}

// cond emits a condition that goes on at t if it holds and at f if not.
func (e *emitter) cond(c cond, narrow bool, t, f place) place {
	narrow = narrow || c.low
	lo, hi := c.lowHalf(), c.highHalf()
	switch c.op {
	case opNe, opLt, opLe: // negated
		c.op--
		return e.cond(c, narrow, f, t)
	case opMasked:
		at := e.masked(lo, t, f)
		if narrow {
			return at
		}
		return e.masked(hi, at, f)
	case opAny:
		at := e.any(lo, t, f)
		if narrow {
			return at
		}
		return e.any(hi, t, at)
	}
	if narrow {
		return e.load(lo.off, e.jump(lowJump[c.op], lo.value, t, f))
	}
	at := e.load(lo.off, e.jump(lowJump[c.op], lo.value, t, f))
	at = e.jump(opJeq, hi.value, at, f)
	if c.op != opEq {
		at = e.jump(opJgt, hi.value, t, at)
	}
	return e.load(hi.off, at)
}

// lowJump compares the low halves, the high ones being equal.
var lowJump = [...]uint16{opEq: opJeq, opGe: opJge, opGt: opJgt}

func (e *emitter) masked(h half, t, f place) place {
	if h.mask == 0 {
		return t
	}
	at := e.jump(opJeq, h.value&h.mask, t, f)
	if h.mask != 0xffffffff {
		at = e.emit(opAnd, h.mask, 0, 0) // falls through to the jump
	}
	return e.load(h.off, at)
}

func (e *emitter) any(h half, t, f place) place {
	if h.mask == 0 {
		return f
	}
	return e.load(h.off, e.jump(opJset, h.mask, t, f))
}
