package netguard

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestObjectIsWhatTheSourcesGive compiles again. The compiler that made the committed object must give the same bytes;
// another one must give programs that the kernel takes and that decide the same.
func TestObjectIsWhatTheSourcesGive(t *testing.T) {
	again := filepath.Join(t.TempDir(), "sockets.o")
	if out, err := exec.Command("bpf/compile", again).CombinedOutput(); err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	got := read(again)
	if bytes.Equal(read(again+".clang"), read("bpf/sockets.o.clang")) {
		if !bytes.Equal(got, object) {
			t.Error("bpf/sockets.o isn't what its sources give: run go generate ./netguard")
		}
		return
	}
	committed := object
	defer func() { object = committed }()
	object = got
	t.Run("another compiler", TestPackets)
}

// TestObjectMovesWithoutChange: the place of the sources doesn't show in the object.
func TestObjectMovesWithoutChange(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("cp", "-r", "bpf", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	compile := func(script, name string) []byte {
		file := filepath.Join(dir, name)
		if out, err := exec.Command(script, file).CombinedOutput(); err != nil {
			t.Fatalf("compile: %v\n%s", err, out)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if !bytes.Equal(compile("bpf/compile", "here.o"), compile(filepath.Join(dir, "bpf/compile"), "there.o")) {
		t.Error("the object depends on the folder that it is compiled in")
	}
}
