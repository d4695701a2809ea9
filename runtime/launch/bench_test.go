package launch_test

import "testing"

// BenchmarkRun starts a container of the default bundle's shape and waits for its end.
func BenchmarkRun(b *testing.B) {
	box := newBox(b)
	box.spec.Process.Args = []string{"/probe"}
	for b.Loop() {
		i, err := box.start()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := i.Wait(); err != nil {
			b.Fatal(err)
		}
		i.Close()
	}
}
