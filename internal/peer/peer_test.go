package peer

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	if socket := os.Getenv("PEER_SOCKET"); socket != "" {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			os.Exit(1)
		}
		_, _ = conn.Read(make([]byte, 1))
		return
	}
	os.Exit(m.Run())
}

// TestUID: a connection tells the user of the process that made it.
func TestUID(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "peer") // below a folder that everybody may search
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, path := range []string{dir, socket} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []uint32{0, 33} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "PEER_SOCKET="+socket)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: want, Gid: want}}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		conn, err := l.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := UID(conn); got != want || err != nil {
			t.Errorf("user %d, %v, want %d", got, err, want)
		}
		conn.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}
