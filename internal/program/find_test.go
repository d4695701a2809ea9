package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Dir(self)
	libexec := filepath.Join(filepath.Dir(bin), "libexec", "klw")
	path := t.TempDir()
	t.Setenv("PATH", path)
	const name = "klw-test-program"
	if _, err := Find(name); err == nil || !strings.Contains(err.Error(), name+" is missing") {
		t.Errorf("nowhere: %v", err)
	}
	// From the last place to the first: each is preferred to those before.
	for _, dir := range []string{path, libexec, bin} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		want := filepath.Join(dir, name)
		if err := os.WriteFile(want, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(want) })
		if got, err := Find(name); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	os.RemoveAll(filepath.Dir(libexec))
}
