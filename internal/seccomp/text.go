package seccomp

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// text shows a call as an event does: arguments that are numbers by name, pointers as dots.
func text(name string, args [6]uint64) string {
	a := func(n int) uint32 { return uint32(args[n]) }
	switch name {
	case "setuid", "setfsuid":
		return fmt.Sprintf("%s(%d)", name, int32(a(0)))
	case "setreuid":
		return fmt.Sprintf("%s(%d, %d)", name, int32(a(0)), int32(a(1)))
	case "setresuid":
		return fmt.Sprintf("%s(%d, %d, %d)", name, int32(a(0)), int32(a(1)), int32(a(2)))
	case "socket", "socketpair":
		return fmt.Sprintf("%s(%s, %s, %d)", name, family(a(0)), sockType(a(1)), int32(a(2)))
	case "unshare":
		return fmt.Sprintf("%s(%s)", name, flagText(args[0], cloneWords[:]))
	case "clone":
		return fmt.Sprintf("%s(%s, ...)", name, flagText(uint64(a(0)&cloneNamespaces), cloneWords[:]))
	case "setns":
		return fmt.Sprintf("%s(%d, %s)", name, int32(a(0)), flagText(uint64(a(1)), cloneWords[:]))
	case "mknod":
		return fmt.Sprintf("%s(..., %s, %s)", name, device32(a(1)), devText(a(2)))
	case "mknodat":
		return fmt.Sprintf("%s(..., %s, %s)", name, device32(a(2)), devText(a(3)))
	case "ioctl":
		return fmt.Sprintf("%s(%d, %s)", name, int32(a(0)), ioctlText(a(1)))
	case "seccomp":
		return fmt.Sprintf("%s(%d, %#x, ...)", name, a(0), a(1))
	}
	return name + "(...)"
}

// foreignText shows a call of another ABI, whose arguments mean nothing here.
func foreignText(n notification) string {
	name, a, ok := callName(n.arch, n.nr)
	if !ok {
		return fmt.Sprintf("call %d(...) of architecture %#x", n.nr, n.arch)
	}
	if name == "" {
		name = fmt.Sprintf("call %d", n.nr&^x32Bit)
	}
	return [numArchs]string{"x86_64", "i386", "x32", "arm64", "arm"}[a] + " " + name + "(...)"
}

var cloneWords = [...]word[uint64]{
	{"CLONE_NEWTIME", unix.CLONE_NEWTIME}, {"CLONE_NEWNS", unix.CLONE_NEWNS}, {"CLONE_NEWCGROUP", unix.CLONE_NEWCGROUP},
	{"CLONE_NEWUTS", unix.CLONE_NEWUTS}, {"CLONE_NEWIPC", unix.CLONE_NEWIPC}, {"CLONE_NEWUSER", unix.CLONE_NEWUSER},
	{"CLONE_NEWPID", unix.CLONE_NEWPID}, {"CLONE_NEWNET", unix.CLONE_NEWNET}, {"CLONE_FS", unix.CLONE_FS},
	{"CLONE_FILES", unix.CLONE_FILES}, {"CLONE_SYSVSEM", unix.CLONE_SYSVSEM}, {"CLONE_VM", unix.CLONE_VM},
	{"CLONE_SIGHAND", unix.CLONE_SIGHAND}, {"CLONE_THREAD", unix.CLONE_THREAD},
}

// flagText names the flags of a set, with the rest as a number.
func flagText(set uint64, words []word[uint64]) string {
	var list []string
	for _, w := range words {
		if set&w.value != 0 {
			list = append(list, w.text)
			set &^= w.value
		}
	}
	if set != 0 || len(list) == 0 {
		list = append(list, fmt.Sprintf("%#x", set))
	}
	return strings.Join(list, "|")
}

var familyWords = [...]word[uint32]{
	{"AF_UNIX", unix.AF_UNIX}, {"AF_INET", unix.AF_INET}, {"AF_INET6", unix.AF_INET6}, {"AF_NETLINK", unix.AF_NETLINK},
	{"AF_PACKET", unix.AF_PACKET}, {"AF_VSOCK", unix.AF_VSOCK}, {"AF_ALG", unix.AF_ALG}, {"AF_XDP", unix.AF_XDP},
	{"AF_BLUETOOTH", unix.AF_BLUETOOTH}, {"AF_CAN", unix.AF_CAN}, {"AF_TIPC", unix.AF_TIPC}, {"AF_RDS", unix.AF_RDS},
	{"AF_KEY", unix.AF_KEY}, {"AF_SMC", unix.AF_SMC}, {"AF_KCM", unix.AF_KCM}, {"AF_QIPCRTR", unix.AF_QIPCRTR},
	{"AF_RXRPC", unix.AF_RXRPC}, {"AF_MCTP", unix.AF_MCTP}, {"AF_NFC", unix.AF_NFC},
}

var typeWords = [...]word[uint32]{
	{"SOCK_STREAM", unix.SOCK_STREAM}, {"SOCK_DGRAM", unix.SOCK_DGRAM}, {"SOCK_RAW", unix.SOCK_RAW},
	{"SOCK_RDM", unix.SOCK_RDM}, {"SOCK_SEQPACKET", unix.SOCK_SEQPACKET}, {"SOCK_DCCP", unix.SOCK_DCCP},
	{"SOCK_PACKET", unix.SOCK_PACKET},
}

// nameOf gives the word for a number, or the number.
func nameOf(words []word[uint32], n uint32) string {
	for _, w := range words {
		if w.value == n {
			return w.text
		}
	}
	return fmt.Sprint(n)
}

func family(n uint32) string   { return nameOf(familyWords[:], n) }
func sockType(n uint32) string { return nameOf(typeWords[:], n&0xf) }

func ioctlText(n uint32) string {
	return nameOf([]word[uint32]{{"TIOCSTI", unix.TIOCSTI}, {"TIOCLINUX", unix.TIOCLINUX},
		{"TIOCCONS", unix.TIOCCONS}, {"TIOCSETD", unix.TIOCSETD}}, n)
}

func device32(mode uint32) string {
	kind := nameOf([]word[uint32]{{"S_IFBLK", unix.S_IFBLK}, {"S_IFCHR", unix.S_IFCHR}}, mode&unix.S_IFMT)
	return fmt.Sprintf("%s|%#o", kind, mode&0o7777)
}

// devText shows a device number as the kernel reads the 32 bits it takes.
func devText(dev uint32) string {
	return fmt.Sprintf("%d:%d", unix.Major(uint64(dev)), unix.Minor(uint64(dev)))
}
