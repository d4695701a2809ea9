package launch_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestHostUntouched: nothing of a container shows in the caller's mount table. Other tests change it at the same time,
// so only places that these containers mount on are looked at.
func TestHostUntouched(t *testing.T) {
	places := func(dir string) (found []string) {
		info, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(info)) {
			if at := strings.Fields(line)[4]; strings.HasPrefix(at, dir) || at == "/tmp" || at == "/proc" || at == "/dev" {
				found = append(found, line)
			}
		}
		return found
	}
	for _, propagation := range []string{"", "rslave", "private", "rshared"} {
		b := newBox(t, "pid")
		before := places(b.dir)
		b.spec.Linux.RootfsPropagation = propagation
		b.mount(specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"rshared"}})
		b.expect("1")
		if after := places(b.dir); !slices.Equal(before, after) {
			t.Errorf("propagation %q: before %q, after %q", propagation, before, after)
		}
	}
}

// TestSharedHost is TestHostUntouched on a host whose mounts are shared, as systemd makes them: in a mount namespace of
// its own, so that a mistake takes nothing of the real host away.
func TestSharedHost(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run=^(TestHostUntouched|TestNothingPropagates)$", "-test.v")
	c.Env = append(os.Environ(), "LAUNCH_SHARED=1", "LAUNCH_INIT="+binary)
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := c.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestNothingPropagates: a mount in the container, on a tree that is shared on the host, doesn't show there.
func TestNothingPropagates(t *testing.T) {
	for _, user := range []bool{true, false} {
		nothingPropagates(t, user)
	}
}

func nothingPropagates(t *testing.T, user bool) {
	t.Helper()
	b := newBox(t, "mount:/data/sub")
	shared := filepath.Dir(b.file("shared/f", ""))
	if err := os.Mkdir(filepath.Join(shared, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", shared, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(shared, unix.MNT_DETACH) })
	if err := unix.Mount("", shared, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(shared, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	if user {
		b.ownUser()
	}
	b.mount(specs.Mount{Destination: "/data", Source: shared, Options: []string{"rbind"}})
	b.mount(specs.Mount{Destination: "/data/sub", Type: "tmpfs", Source: "tmpfs"})
	got, err := b.run()
	if err != nil || got[0] == "none" {
		t.Fatalf("%q, %v", got, err)
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(info), shared+"/sub") {
		t.Error("the container's mount shows on the host")
	}
}
