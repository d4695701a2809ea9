package seccomp

import (
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

//go:generate go run ./gen

// arch is a system call ABI that klw knows numbers for; it indexes numbers.
type arch uint8

const (
	archX86_64 arch = iota
	archX86
	archX32
	archARM64
	archARM
	numArchs
)

// x32Bit marks x32 calls: the kernel reports them under x86_64's audit number.
const x32Bit = 0x40000000

// audit is the kernel's number for the ABI, seccomp_data.arch.
func (a arch) audit() uint32 {
	switch a {
	case archX86_64, archX32:
		return unix.AUDIT_ARCH_X86_64
	case archX86:
		return unix.AUDIT_ARCH_I386
	case archARM64:
		return unix.AUDIT_ARCH_AARCH64
	default:
		return unix.AUDIT_ARCH_ARM
	}
}

// narrow tells whether arguments count in their low 32 bits only. Like libseccomp, x32 is among these.
func (a arch) narrow() bool { return a == archX86 || a == archX32 || a == archARM }

// native is the ABI that this program itself was built for.
func native() arch {
	if runtime.GOARCH == "arm64" {
		return archARM64
	}
	return archX86_64
}

// lookup finds a name's index in names and numbers.
func lookup(name string) (index int, ok bool) { return slices.BinarySearch(names[:], name) }

// number gives the number of the call with that index; ok is false if the ABI lacks it.
func (a arch) number(index int) (nr uint32, ok bool) {
	n := numbers[a][index]
	return uint32(n), n >= 0
}

// numberOf looks a call up by name.
func (a arch) numberOf(name string) (nr uint32, ok bool) {
	i, ok := lookup(name)
	if !ok {
		return 0, false
	}
	return a.number(i)
}

// callName gives the ABI of a call as the kernel reports it, and its name. The name is "" for a number that klw doesn't
// know; ok is false for an architecture that it doesn't know.
func callName(audit, nr uint32) (name string, a arch, ok bool) {
	switch audit {
	case unix.AUDIT_ARCH_X86_64:
		if nr&x32Bit != 0 {
			a = archX32
		}
	case unix.AUDIT_ARCH_I386:
		a = archX86
	case unix.AUDIT_ARCH_AARCH64:
		a = archARM64
	case unix.AUDIT_ARCH_ARM:
		a = archARM
	default:
		return "", a, false
	}
	if i := slices.Index(numbers[a][:], int32(nr)); i >= 0 {
		name = names[i]
	}
	return name, a, true
}
