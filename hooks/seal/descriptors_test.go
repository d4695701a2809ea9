package seal

import (
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// TestOutOfDescriptors: the application can make its guard run out of descriptors by opening files.
func TestOutOfDescriptors(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "seccomp.sock")
	failed := make(chan error, 1000)
	var o observer
	m := New(Options{Socket: socket, Observe: o.observe, Users: users, Failed: func(err error) { failed <- err }})
	master := hooks.NewMaster(nil)
	if _, err := master.Register(m); err != nil {
		t.Fatal(err)
	}
	defer master.Unregister("seal")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var was unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Max: was.Max}, nil); err != nil {
		t.Fatal(err)
	}
	connected := unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
	select {
	case <-failed:
	case <-time.After(5 * time.Second):
		t.Error("nothing failed")
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &was, nil); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if connected != nil {
		t.Fatal(connected)
	}
	cmd := startContained(t, socket)
	defer time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() }).Stop()
	wait(t, cmd)
	if got := o.of(cmd.Process.Pid); len(got) != 4 {
		t.Errorf("told of %d refusals, want 4", len(got))
	}
}
