package netguard

import (
	"testing"
)

// BenchmarkLoad is what the guard pays at a container's start.
func BenchmarkLoad(b *testing.B) {
	cgroup := newCgroup(b)
	p := parse(b, "socket tcp listen :80\nsocket tcp connect 10.0.0.0/24:5432\n")
	for b.Loop() {
		m, err := New(Options{Policy: p, Cgroup: cgroup})
		if err == nil {
			err = m.Load()
		}
		if err == nil {
			err = m.Unload()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
