package netguard

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSocketFromOutside holds the documentation to what happens: a socket is held by the cgroup of who made it. One from
// outside isn't held, one from inside is, wherever it goes.
func TestSocketFromOutside(t *testing.T) {
	cgroup := newCgroup(t)
	inNetns(t, func() {
		w := newWorld(t, cgroup)
		load(t, cgroup, parse(t, "socket tcp listen :1\n"))
		to := w.ports.Replace("127.0.0.1:@T")

		outside, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		f := os.NewFile(uintptr(outside), "outside")
		defer f.Close()
		if err := child(t, cgroup, "use a descriptor", []string{to}, nil, f); err != nil {
			t.Errorf("a socket made outside, used inside: %v; the documentation says that it isn't held", err)
		}

		inside := socketFromInside(t, cgroup)
		defer unix.Close(inside)
		sa, _ := sockaddr(to)
		if err := unix.Connect(inside, sa); err != unix.EPERM {
			t.Errorf("a socket made inside, used outside: %v", err)
		}
	})
}

// socketFromInside lets a process in the cgroup make a socket and pass it out.
func socketFromInside(t *testing.T, cgroup string) int {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	defer theirs.Close()
	defer unix.Close(pair[0])
	if err := child(t, cgroup, "give up a socket", nil, nil, theirs); err != nil {
		t.Fatal(err)
	}
	oob := make([]byte, 100)
	_, n, _, _, err := unix.Recvmsg(pair[0], make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		t.Fatal(messages, err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatal(fds, err)
	}
	return fds[0]
}
