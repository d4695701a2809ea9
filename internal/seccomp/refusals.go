package seccomp

import "golang.org/x/sys/unix"

// Kind sorts refusals by what they are about.
type Kind uint8

// The kinds.
const (
	OfSyscall Kind = iota // a system call that no other kind names
	OfSocket              // a socket of a family that no guard watches
	OfSetuid              // becoming another user
	OfQueue               // POSIX message queues
)

// Refusal is one thing that Contain's filter refuses. The list of all (Refusals) is at once what the filter is made
// from, what an event says, and what the documentation shows.
type Refusal struct {
	Call   string     // the system call
	When   string     // which of its calls, in words; "" is all of them
	Why    string     // what it would open
	Errno  unix.Errno // the answer
	Kind   Kind
	Asked  bool // the guard may let the call happen: it decides by the policy in force
	Queues bool // only where Options.NoQueues is set
	Quiet  bool // answered by the filter itself, without a notification: no event

	any [][]cond // the calls: those that meet all conditions of one of the sets
}

const (
	whyMounts  = "changes what the container's paths lead to, past the guarded views"
	whyNS      = "a new namespace has capabilities and views that the policy doesn't know"
	whyModules = "loads code into the kernel"
	whyKexec   = "replaces the kernel"
	whyRing    = "its operations reach the kernel without passing any seccomp filter; ENOSYS lets programs fall back"
	whyKeys    = "keys are shared with other containers of the same user"
	whySwap    = "acts on the whole machine's memory"
	whyDevice  = "a device node reaches disks and memory past the guarded views"
	whyFamily  = "no guard watches sockets of this family"
	whyNetlink = "only route netlink is confined to the network namespace"
	whyUser    = "who has given up root in a sealed container doesn't get it back, and nobody becomes the owner of a circle"
	whyClock   = "sets the whole machine's clock"
	whyPorts   = "reaches hardware past the kernel"
	whyQuota   = "acts on whole file systems of the host"
	whyTTY     = "types into the terminal of whoever started the container"
	whyConsole = "takes what is written to the machine's console"
	whyQueues  = "the policy gives no message queues"
	whyLine    = "loads line disciplines, some of which make network interfaces of the host"
)

// arg32 is a condition on an argument that the kernel declares as int, unsigned, uid_t, umode_t …: it looks at the low
// half of the register only, and so must the filter.
func arg32(n uint8, o op, mask, value uint32) cond {
	return cond{arg: n, op: o, low: true, mask: uint64(mask), value: uint64(value)}
}

// unshareKeeps are the flags of unshare(2) that make no namespace. The filter knows these and not the others, so that
// what a newer kernel adds is refused.
const unshareKeeps = unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SYSVSEM | unix.CLONE_VM | unix.CLONE_SIGHAND |
	unix.CLONE_THREAD

// cloneNamespaces are the flags of clone(2) that make a namespace. CLONE_NEWTIME is not among them: in clone its bit is
// part of the exit signal.
const cloneNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// Refusals lists everything that Contain's filter refuses, in the order of the documentation. Besides these it answers
// ENOSYS to numbers that no kernel had when klw was built, and refuses every call of another ABI (Foreign).
func Refusals() []Refusal {
	list := []Refusal{
		all("mount", whyMounts), all("umount2", whyMounts), all("move_mount", whyMounts), all("fsopen", whyMounts),
		all("fsconfig", whyMounts), all("fsmount", whyMounts), all("fspick", whyMounts), all("open_tree", whyMounts),
		all("open_tree_attr", whyMounts), all("mount_setattr", whyMounts), all("pivot_root", whyMounts),

		all("setns", whyNS),
		some("unshare", "that makes a namespace", whyNS, unix.EPERM, []cond{{arg: 0, op: opAny, mask: ^uint64(unshareKeeps)}}),
		some("clone", "that makes a namespace", whyNS, unix.EPERM, []cond{arg32(0, opAny, cloneNamespaces, 0)}),
		{Call: "clone3", Why: "its flags are in memory, where a filter can't see them; libraries then use clone",
			Errno: unix.ENOSYS, Quiet: true},

		all("bpf", whyModules), all("init_module", whyModules), all("finit_module", whyModules),
		all("delete_module", whyModules), all("kexec_load", whyKexec), all("kexec_file_load", whyKexec),
		all("reboot", "stops the machine or the container's first process"),
		all("swapon", whySwap), all("swapoff", whySwap),

		all("open_by_handle_at", "opens files past every path, view and mount point"),
		all("fanotify_init", "gives descriptors of files that others open, and can hold up whole file systems"),
		all("quotactl", whyQuota), all("quotactl_fd", whyQuota),
		all("lookup_dcookie", "tells paths of the host"),
		device("mknod", 1), device("mknodat", 2),

		ring("io_uring_setup"), ring("io_uring_enter"), ring("io_uring_register"),
		all("userfaultfd", "stops the kernel in the middle of reading memory, which turns small races into large ones"),
		all("perf_event_open", "watches the kernel and other processes"),
		all("add_key", whyKeys), all("keyctl", whyKeys), all("request_key", whyKeys),
		some("seccomp", "for a listener", "a listener inside could let pass what this filter refuses", unix.EBUSY,
			[]cond{arg32(1, opAny, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 0)}),

		all("acct", "writes a file for every process of the machine"),
		all("syslog", "reads and clears the kernel's log"),
		all("settimeofday", whyClock), all("clock_settime", whyClock), all("adjtimex", whyClock),
		all("clock_adjtime", whyClock),
		all("iopl", whyPorts), all("ioperm", whyPorts),
		some("ioctl", "TIOCSTI, TIOCLINUX", whyTTY, unix.EPERM,
			command(unix.TIOCSTI), command(unix.TIOCLINUX)),
		some("ioctl", "TIOCCONS", whyConsole, unix.EPERM, command(unix.TIOCCONS)),
		some("ioctl", "TIOCSETD", whyLine, unix.EPERM, command(unix.TIOCSETD)),
	}
	list = append(list, sockets("socket")...)
	list = append(list, sockets("socketpair")...)
	list = append(list, queue("mq_open"), queue("mq_unlink"))
	return append(list, setuids()...)
}

// queue refuses a call that finds message queues by name, whatever is mounted.
func queue(call string) Refusal {
	r := all(call, whyQueues)
	r.Kind, r.Queues = OfQueue, true
	return r
}

// command is an ioctl(2) of that number.
func command(number uint32) []cond { return []cond{arg32(1, opMasked, 0xffffffff, number)} }

// all refuses every call of that name.
func all(call, why string) Refusal { return some(call, "", why, unix.EPERM) }

// some refuses the calls that meet all conditions of one of the sets.
func some(call, when, why string, errno unix.Errno, any ...[]cond) Refusal {
	return Refusal{Call: call, When: when, Why: why, Errno: errno, any: any}
}

func ring(call string) Refusal { return some(call, "", whyRing, unix.ENOSYS) }

// device refuses making block and character devices. The mode's upper bits are cut off by the kernel.
func device(call string, mode uint8) Refusal {
	return some(call, "of a device", whyDevice, unix.EPERM,
		[]cond{arg32(mode, opMasked, unix.S_IFMT, unix.S_IFBLK)}, []cond{arg32(mode, opMasked, unix.S_IFMT, unix.S_IFCHR)})
}

// sockets refuses the families that no guard watches. The kernel still turns AF_INET with SOCK_PACKET into AF_PACKET.
func sockets(call string) []Refusal {
	is := func(o op, family uint32) cond { return arg32(0, o, 0, family) }
	const typeMask = 0xf // SOCK_TYPE_MASK
	list := []Refusal{
		some(call, "of a family other than unix, inet, inet6, netlink", whyFamily, unix.EAFNOSUPPORT,
			[]cond{is(opNe, unix.AF_UNIX), is(opNe, unix.AF_INET), is(opNe, unix.AF_INET6), is(opNe, unix.AF_NETLINK)}),
		some(call, "of type packet", whyFamily, unix.EAFNOSUPPORT,
			[]cond{is(opEq, unix.AF_INET), arg32(1, opMasked, typeMask, unix.SOCK_PACKET)}),
		some(call, "netlink, of a protocol other than route", whyNetlink, unix.EPROTONOSUPPORT,
			[]cond{is(opEq, unix.AF_NETLINK), arg32(2, opNe, 0, unix.NETLINK_ROUTE)}),
	}
	for i := range list {
		list[i].Kind = OfSocket
	}
	return list
}

// idArgs is how many arguments of the calls that change user ids are such ids.
var idArgs = map[string]int{"setuid": 1, "setreuid": 2, "setresuid": 3, "setfsuid": 1}

// setuids asks about every change of user ids: what is refused depends on who asks, and on the policy in force, which
// may be another one tomorrow.
func setuids() []Refusal {
	var list []Refusal
	for _, call := range []string{"setuid", "setreuid", "setresuid", "setfsuid"} {
		r := some(call, "to 0 in a sealed container, or to the owner of a circle", whyUser, unix.EPERM)
		r.Kind, r.Asked = OfSetuid, true
		list = append(list, r)
	}
	return list
}

// Foreign stands for every call of an ABI other than the machine's own: numbers mean other calls there.
var Foreign = Refusal{Call: "foreign ABI", Why: "rules name system calls by the numbers of the machine's own ABI",
	Errno: unix.ENOSYS}
