package launch

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSealedCopy: where no mount can be made klw-init is executed from a copy that can't be written either.
func TestSealedCopy(t *testing.T) {
	fd, err := sealedCopy("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "copy")
	defer f.Close()
	want, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want)+1)
	if n, _ := f.ReadAt(got, 0); string(got[:n]) != string(want) {
		t.Error("the copy differs")
	}
	if _, err := unix.Pwrite(fd, []byte("x"), 0); err != unix.EPERM {
		t.Errorf("writing: %v, expected %v", err, unix.EPERM)
	}
	if err := unix.Ftruncate(fd, 0); err != unix.EPERM {
		t.Errorf("truncating: %v, expected %v", err, unix.EPERM)
	}
}

func TestFindBinary(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if p, err := findBinary(""); err == nil {
		t.Errorf("found %s where there is none", p)
	}
	want := filepath.Join(dir, binaryName)
	if err := os.WriteFile(want, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := findBinary(""); err != nil || p != want {
		t.Errorf("%s, %v; expected %s", p, err, want)
	}
	if p, err := findBinary("/given"); err != nil || p != "/given" {
		t.Errorf("%s, %v; expected the one given", p, err)
	}
}
