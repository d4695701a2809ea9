package hooks

import "testing"

func TestOperationNames(t *testing.T) {
	seen := map[string]bool{}
	for _, op := range Operations() {
		if s := op.String(); s == "" || seen[s] {
			t.Errorf("operation %d is called %q", op, s)
		} else {
			seen[s] = true
		}
	}
	if s := numOperations.String(); s != "operation(35)" {
		t.Error(s)
	}
	if numOperations > 64 {
		t.Error("a Set has 64 bits")
	}
}

func TestSet(t *testing.T) {
	s := Ops(OpSyscall, OpOpen, OpOpen)
	if !s.Has(OpOpen) || !s.Has(OpSyscall) || s.Has(OpExec) || s.String() != "open syscall" || Set(0).String() != "" {
		t.Error(s)
	}
	if all := Ops(Operations()...).List(); len(all) != int(numOperations) {
		t.Error(all)
	}
}
