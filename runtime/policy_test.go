package runtime

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestUserListOfTheContainer: who may write /etc must not hold up klw-runc, which reads it for every exec.
func TestUserListOfTheContainer(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "etc/passwd")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("root:x:0:0::/:/bin/sh\nwww:x:33:33::/:/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if name, err := userName(root, 33); name != "www" || err != nil {
		t.Errorf("user 33 is %q, %v", name, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(file, 0o644); err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		name, _ := userName(root, 33)
		done <- name
	}()
	select {
	case name := <-done:
		if name != "" {
			t.Errorf("a FIFO names user 33 %q", name)
		}
	case <-time.After(5 * time.Second):
		t.Error("a FIFO holds the reader up")
		os.WriteFile(file, nil, 0)
	}
}
