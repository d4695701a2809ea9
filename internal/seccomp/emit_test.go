package seccomp

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestReach has jumps over every distance around what 8 bits hold, to returns and to code, on both ways.
func TestReach(t *testing.T) {
	for gap := range 600 {
		for _, far := range []bool{true, false} {
			e := &emitter{rets: map[action]place{}}
			leaf := e.emit(opRet, 7, 0, 0)
			code := e.load(offArgs, e.jump(opJeq, 1, leaf, leaf))
			for range gap {
				e.emit(opRet, 8, 0, 0)
			}
			near := e.emit(opRet, 9, 0, 0)
			var at place
			if far {
				at = e.jump(opJeq, 1, leaf, code)
			} else {
				at = e.jump(opJeq, 1, near, e.jump(opJeq, 2, code, leaf))
			}
			e.load(offNr, at)
			p := reversed(e.code)
			for nr, want := range map[uint32]action{1: 7, 2: 7, 3: 7} {
				if !far && nr == 1 {
					want = 9
				}
				if got := run(t, p, 0, nr, [6]uint64{}); got != want {
					t.Fatalf("gap %d, far %v, call %d: %d, want %d", gap, far, nr, got, want)
				}
			}
		}
	}
}

func reversed(code []unix.SockFilter) Program {
	var p Program
	for i := range code {
		p.Filter = append(p.Filter, code[len(code)-1-i])
	}
	return p
}
