package seccomp

import (
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// TestContainAgreesWithList runs both ABIs' filters against a direct reading of the list, on numbers and arguments of
// every kind.
func TestContainAgreesWithList(t *testing.T) {
	for _, a := range []arch{archX86_64, archARM64} {
		p := contain(a, Options{})
		rapid.Check(t, func(t *rapid.T) {
			nr := rapid.OneOf(genListed(a), genNumber(a)).Draw(t, "nr")
			var args [6]uint64
			for i := range args {
				args[i] = genContainValue().Draw(t, "arg")
			}
			if got, want := run(t, p, a.audit(), nr, args), containModel(a, nr, args); got != want {
				t.Fatalf("abi %d, call %d, arguments %x: filter %#x, list %#x", a, nr, args, got, want)
			}
		})
	}
}

func genListed(a arch) *rapid.Generator[uint32] {
	return rapid.Map(rapid.SampledFrom(Refusals()), func(r Refusal) uint32 { nr, _ := a.numberOf(r.Call); return nr })
}

// genContainValue gives values that mean something to a refused call, with and without bits in the upper half.
func genContainValue() *rapid.Generator[uint64] {
	return rapid.OneOf(genValue(), rapid.SampledFrom([]uint64{unix.CLONE_NEWUSER, unix.CLONE_NEWNS | 17, unix.CLONE_FS, 0x80,
		1<<32 | unix.CLONE_NEWNET, unix.S_IFBLK | 0o600, unix.S_IFCHR, unix.S_IFREG, unix.S_IFIFO, 1<<16 | unix.S_IFCHR,
		unix.TIOCSTI, 1<<32 | unix.TIOCSTI, unix.TIOCLINUX, unix.TIOCGWINSZ, 8, 8 | 4, 1, 2, 10, 16, 17, 40, 1<<32 | 40, 0x80a}))
}

func containModel(a arch, nr uint32, args [6]uint64) action {
	if nr == 0xffffffff {
		return unix.SECCOMP_RET_ALLOW
	}
	if a == archX86_64 && nr >= x32Bit {
		return unix.SECCOMP_RET_USER_NOTIF
	}
	name, _, _ := callName(a.audit(), nr)
	if name == "" || name == "clone3" {
		return unix.SECCOMP_RET_ERRNO | action(unix.ENOSYS)
	}
	for _, r := range Refusals() {
		if r.Call == name && !r.Queues && r.matches(args) {
			return unix.SECCOMP_RET_USER_NOTIF
		}
	}
	return unix.SECCOMP_RET_ALLOW
}

func TestContainRefusesOtherArchitectures(t *testing.T) {
	p := contain(archX86_64, Options{})
	for _, audit := range []uint32{unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_AARCH64, 0} {
		if got := run(t, p, audit, 1, [6]uint64{}); got != unix.SECCOMP_RET_USER_NOTIF {
			t.Errorf("architecture %#x: %#x", audit, got)
		}
	}
}

// TestContainList holds what the list must contain, however it is written.
func TestContainList(t *testing.T) {
	p := contain(archX86_64, Options{})
	type call struct {
		name string
		args [6]uint64
	}
	high := uint64(1) << 32
	refused := []call{
		{"setuid", [6]uint64{high}}, {"setreuid", [6]uint64{0xffffffff, high}}, {"setresuid", [6]uint64{33, 33, high}},
		{"setresuid", [6]uint64{0, 33, 33}}, {"setfsuid", [6]uint64{0}}, {"setuid", [6]uint64{33}},
		{"unshare", [6]uint64{high}}, {"unshare", [6]uint64{unix.CLONE_NEWTIME}}, {"unshare", [6]uint64{0x100000}},
		{"clone", [6]uint64{unix.CLONE_NEWUSER | high}}, {"setns", [6]uint64{3, 0}},
		{"mknod", [6]uint64{0, unix.S_IFBLK | 1<<16}}, {"mknodat", [6]uint64{0, 0, unix.S_IFCHR | high}},
		{"socket", [6]uint64{high | unix.AF_VSOCK, 1}}, {"socket", [6]uint64{unix.AF_INET, unix.SOCK_PACKET | unix.SOCK_CLOEXEC, 3}},
		{"socket", [6]uint64{unix.AF_NETLINK, 3, unix.NETLINK_AUDIT}}, {"socketpair", [6]uint64{unix.AF_TIPC, 1}},
		{"ioctl", [6]uint64{0, high | unix.TIOCSTI}}, {"seccomp", [6]uint64{1, high | 8}},
		{"ioctl", [6]uint64{0, unix.TIOCCONS}}, {"ioctl", [6]uint64{0, high | unix.TIOCSETD}},
		{"io_uring_enter", [6]uint64{3}}, {"open_tree", [6]uint64{0, 0, 0}},
	}
	allowed := []call{
		{"setgid", [6]uint64{0}},
		{"unshare", [6]uint64{unix.CLONE_FS | unix.CLONE_FILES}}, {"clone", [6]uint64{unix.CLONE_VM | unix.CLONE_THREAD | 17}},
		{"clone", [6]uint64{unix.CLONE_NEWTIME | high}}, {"mknod", [6]uint64{0, unix.S_IFIFO}}, {"mknod", [6]uint64{0, 0}},
		{"socket", [6]uint64{high | unix.AF_INET6, unix.SOCK_DGRAM}}, {"socket", [6]uint64{unix.AF_INET, unix.SOCK_RAW, 1}},
		{"socket", [6]uint64{unix.AF_NETLINK, 3, high}}, {"socketpair", [6]uint64{unix.AF_UNIX, 1}},
		{"ioctl", [6]uint64{0, unix.TIOCGWINSZ}}, {"ioctl", [6]uint64{0, unix.TIOCGETD}}, {"seccomp", [6]uint64{1, 2}}, {"prctl", [6]uint64{unix.PR_SET_SECCOMP, 2}},
		{"chroot", [6]uint64{}}, {"ptrace", [6]uint64{}}, {"process_vm_readv", [6]uint64{}}, {"pidfd_getfd", [6]uint64{}},
		{"personality", [6]uint64{8}}, {"modify_ldt", [6]uint64{}}, {"kcmp", [6]uint64{}}, {"vhangup", [6]uint64{}},
		{"statmount", [6]uint64{}}, {"listmount", [6]uint64{}}, {"landlock_create_ruleset", [6]uint64{}},
		{"name_to_handle_at", [6]uint64{}}, {"memfd_create", [6]uint64{}}, {"io_submit", [6]uint64{}},
	}
	for _, c := range refused {
		if got := run(t, p, archX86_64.audit(), mustCall(t, archX86_64, c.name), c.args); got != unix.SECCOMP_RET_USER_NOTIF {
			t.Errorf("%s %x: %#x, want it refused", c.name, c.args, got)
		}
	}
	for _, c := range allowed {
		if got := run(t, p, archX86_64.audit(), mustCall(t, archX86_64, c.name), c.args); got != unix.SECCOMP_RET_ALLOW {
			t.Errorf("%s %x: %#x, want it allowed", c.name, c.args, got)
		}
	}
}
