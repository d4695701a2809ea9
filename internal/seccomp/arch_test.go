package seccomp

import (
	"slices"
	"testing"
)

// TestTables checks the generated tables against numbers that are known by heart, and both ways of looking up.
func TestTables(t *testing.T) {
	if !slices.IsSorted(names[:]) {
		t.Fatal("names aren't sorted")
	}
	for _, c := range []struct {
		abi  arch
		name string
		want uint32
	}{
		{archX86_64, "read", 0}, {archX86_64, "clone3", 435}, {archX86, "exit", 1}, {archX86, "socketcall", 102},
		{archX32, "read", x32Bit}, {archX32, "execve", x32Bit | 520}, {archX32, "pwritev2", x32Bit | 547},
		{archARM64, "openat", 56}, {archARM64, "clone", 220}, {archARM, "set_tls", 0xf0005},
	} {
		if got, ok := c.abi.numberOf(c.name); !ok || got != c.want {
			t.Errorf("abi %d, %s: %d %v, want %d", c.abi, c.name, got, ok, c.want)
		}
	}
	for a := range numArchs {
		for i, n := range numbers[a] {
			if n < 0 {
				continue
			}
			if name, b, ok := callName(a.audit(), uint32(n)); !ok || b != a || name != names[i] {
				t.Errorf("abi %d, %d: %s of abi %d, %v; want %s", a, n, name, b, ok, names[i])
			}
		}
	}
	for _, r := range Refusals() {
		if _, ok := lookup(r.Call); !ok {
			t.Errorf("%s is no system call", r.Call)
		}
		if r.Why == "" || r.Errno == 0 || (r.When == "") != (len(r.any) == 0 && !r.Asked) {
			t.Errorf("%s %s: incomplete", r.Call, r.When)
		}
	}
}
