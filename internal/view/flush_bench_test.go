package view

import (
	"os"
	"testing"
)

// BenchmarkClose opens a file for writing and closes it, where closes are told and where not.
func BenchmarkClose(b *testing.B) {
	for name, locking := range map[string]Locking{"local": LockLocally, "flock": ShareFlock, "all": ShareAllLocks} {
		b.Run(name, func(b *testing.B) {
			m := attach(b, newServer(b), Options{Locking: locking})
			must(b, os.WriteFile(m.path("f"), nil, 0o600))
			for b.Loop() {
				f, err := os.OpenFile(m.path("f"), os.O_WRONLY, 0)
				must(b, err)
				f.Close()
			}
		})
	}
}
