package seccomp

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
)

// run interprets a filter over one call. The interpreter reads big-endian words, as socket filters do.
func run(t interface{ Fatalf(string, ...any) }, p Program, audit, nr uint32, args [6]uint64) action {
	raw := make([]bpf.RawInstruction, len(p.Filter))
	for i, ins := range p.Filter {
		raw[i] = bpf.RawInstruction{Op: ins.Code, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	code, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatalf("the filter holds instructions that no assembler knows")
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatalf("the filter isn't well formed: %v", err)
	}
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[0:], nr)
	binary.BigEndian.PutUint32(data[4:], audit)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
	}
	n, err := vm.Run(data)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return uint32(n)
}

func mustCall(t *testing.T, a arch, name string) uint32 {
	t.Helper()
	nr, ok := a.numberOf(name)
	if !ok {
		t.Fatalf("no call %s", name)
	}
	return nr
}
