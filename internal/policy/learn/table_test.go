package learn_test

import (
	"strings"
	"testing"

	"klw/internal/policy"
	"klw/internal/policy/learn"
)

// TestTableIsBounded: names of thousands of bytes fill a table before the memory, and what has none is only counted.
func TestTableIsBounded(t *testing.T) {
	table := learn.NewTable(learn.MostUses)
	long := "/" + strings.Repeat("x", 4000)
	for i := range 10_000 {
		table.Add(learn.Use{User: uint32(i), Path: long, Perm: policy.Read})
	}
	uses, _, lost := table.Counts()
	if uses > 8500 || uses < 8000 || uses+int(lost) != 10_000 {
		t.Errorf("%d uses kept, %d lost", uses, lost)
	}
	table.Add(learn.Use{Path: "relative", Perm: policy.Read})
	if n := table.Uses().Nameless; n != 1 {
		t.Errorf("%d nameless", n)
	}
}
