package seccomp

import (
	"encoding/json"
	"testing"
)

// The figures of docs/decisions: what a container's start pays for its filters.

func BenchmarkCompile(b *testing.B) {
	s := mobyProfile(b)
	for b.Loop() {
		if _, err := Compile(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContain(b *testing.B) {
	for b.Loop() {
		Contain(Options{Seal: true})
	}
}

// BenchmarkWire is the way of both filters from klw-runc to klw-init.
func BenchmarkWire(b *testing.B) {
	p, err := Compile(mobyProfile(b))
	if err != nil {
		b.Fatal(err)
	}
	both := []Program{p, Contain(Options{Seal: true})}
	for b.Loop() {
		text, err := json.Marshal(both)
		if err != nil {
			b.Fatal(err)
		}
		var got []Program
		if err := json.Unmarshal(text, &got); err != nil {
			b.Fatal(err)
		}
	}
}
