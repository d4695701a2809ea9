package seccomp

import (
	"testing"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func mobyProfile(t testing.TB) *specs.LinuxSeccomp {
	t.Helper()
	s, err := seccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestMobyProfileInKernel loads Docker's default profile and makes calls that it allows and refuses.
func TestMobyProfileInKernel(t *testing.T) {
	p, err := Compile(mobyProfile(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d instructions", len(p.Filter))
	nr := func(name string) uint32 { return mustCall(t, native(), name) }
	for _, c := range []struct {
		name string
		call sys
		want unix.Errno
	}{
		{"getpid", sys{Nr: nr("getpid")}, 0},
		{"socket unix", sys{Nr: nr("socket"), Args: [6]uint64{unix.AF_UNIX, unix.SOCK_STREAM}}, 0},
		{"socket vsock", sys{Nr: nr("socket"), Args: [6]uint64{unix.AF_VSOCK, unix.SOCK_STREAM}}, unix.EPERM},
		{"socket alg", sys{Nr: nr("socket"), Args: [6]uint64{unix.AF_ALG, unix.SOCK_SEQPACKET}}, unix.EPERM},
		{"personality", sys{Nr: nr("personality"), Args: [6]uint64{0xffffffff}}, 0},
		{"personality read-implies-exec", sys{Nr: nr("personality"), Args: [6]uint64{0x400000}}, unix.EPERM},
		{"unshare user", sys{Nr: nr("unshare"), Args: [6]uint64{unix.CLONE_NEWUSER}}, unix.EPERM},
		{"mount", sys{Nr: nr("mount")}, unix.EPERM},
		{"clone3", sys{Nr: nr("clone3")}, unix.ENOSYS},
		{"clone of a user namespace", sys{Nr: nr("clone"), Args: [6]uint64{unix.CLONE_NEWUSER}}, unix.EPERM},
		{"a call of the future", sys{Nr: 900}, unix.ENOSYS},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := child(t, job{Program: p, Calls: []sys{c.call}}); got[0] != c.want {
				t.Errorf("errno %v, want %v", got[0], c.want)
			}
		})
	}
}
