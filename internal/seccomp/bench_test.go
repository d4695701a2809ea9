package seccomp

import (
	"encoding/json"
	"testing"

	"golang.org/x/sys/unix"
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
		Contain(Options{})
	}
}

// BenchmarkAsked is a call that changes a user id, asked about and let happen; BenchmarkUnasked is the same call under
// the same filter without that question.
func BenchmarkAsked(b *testing.B) {
	nr, _ := native().numberOf("setfsuid")
	benchCall(b, job{Program: Contain(Options{}), Calls: []sys{{Nr: nr}}})
}

func BenchmarkUnasked(b *testing.B) {
	nr, _ := native().numberOf("setfsgid")
	benchCall(b, job{Program: Contain(Options{}), Calls: []sys{{Nr: nr}}})
}

func benchCall(b *testing.B, j job) {
	j.Repeat, j.Silent = b.N, true
	g := guarded(b, j)
	defer g.Close()
	defer unix.Close(g.socket)
	done := make(chan error)
	go func() { done <- g.Serve(func(Refused) Answer { return Pass }) }()
	if err := g.cmd.Wait(); err != nil {
		b.Fatal(err, g.out)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWire is the way of both filters from klw-runc to klw-init.
func BenchmarkWire(b *testing.B) {
	p, err := Compile(mobyProfile(b))
	if err != nil {
		b.Fatal(err)
	}
	both := []Program{p, Contain(Options{})}
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
