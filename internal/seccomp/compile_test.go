package seccomp

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// model answers a call straight from the profile, without any of the compiler's steps.
func model(s *specs.LinuxSeccomp, audit, nr uint32, args [6]uint64) action {
	a, ok := abiOf(s, audit, nr)
	if !ok {
		if audit == unix.AUDIT_ARCH_X86_64 && nr == 0xffffffff && hasArch(s, archX86_64) && !hasArch(s, archX32) {
			return modelAction(s.DefaultAction, s.DefaultErrnoRet)
		}
		return unix.SECCOMP_RET_KILL_THREAD
	}
	otherwise := modelAction(s.DefaultAction, s.DefaultErrnoRet)
	largest, first := uint32(0), uint32(0)
	if a == archX32 {
		largest, first = x32Bit, x32Bit
	}
	var conditional []action
	var unconditional []action
	for _, c := range s.Syscalls {
		act := modelAction(c.Action, c.ErrnoRet)
		for _, name := range c.Names {
			n, ok := a.numberOf(name)
			if !ok {
				continue
			}
			largest = max(largest, n)
			if n != nr || act == otherwise {
				continue
			}
			if modelAlways(a, c.Args) {
				unconditional = append(unconditional, act)
			} else if modelArgs(a, c.Args, args) {
				conditional = append(conditional, act)
			}
		}
	}
	switch {
	case len(unconditional) > 0:
		return unconditional[0]
	case len(conditional) > 0:
		return conditional[0]
	case nr > largest && largest > first && !strings.Contains("SCMP_ACT_ALLOW SCMP_ACT_LOG SCMP_ACT_TRACE", string(s.DefaultAction)):
		return unix.SECCOMP_RET_ERRNO | action(unix.ENOSYS)
	}
	return otherwise
}

func hasArch(s *specs.LinuxSeccomp, a arch) bool {
	if a == native() {
		return true
	}
	for _, name := range s.Architectures {
		if b, _ := find(archWords[:], string(name)); a == b {
			return true
		}
	}
	return false
}

func abiOf(s *specs.LinuxSeccomp, audit, nr uint32) (arch, bool) {
	switch audit {
	case unix.AUDIT_ARCH_X86_64:
		if nr >= x32Bit {
			return archX32, hasArch(s, archX32)
		}
		return archX86_64, hasArch(s, archX86_64)
	case unix.AUDIT_ARCH_I386:
		return archX86, hasArch(s, archX86)
	case unix.AUDIT_ARCH_AARCH64:
		return archARM64, hasArch(s, archARM64)
	case unix.AUDIT_ARCH_ARM:
		return archARM, hasArch(s, archARM)
	}
	return 0, false
}

func modelAction(a specs.LinuxSeccompAction, errno *uint) action {
	n := action(unix.EPERM)
	if errno != nil {
		n = action(*errno)
	}
	return map[specs.LinuxSeccompAction]action{
		"SCMP_ACT_KILL": 0, "SCMP_ACT_KILL_THREAD": 0, "SCMP_ACT_KILL_PROCESS": 0x80000000, "SCMP_ACT_TRAP": 0x30000,
		"SCMP_ACT_ERRNO": 0x50000 | n, "SCMP_ACT_TRACE": 0x7ff00000 | n, "SCMP_ACT_ALLOW": 0x7fff0000,
		"SCMP_ACT_LOG": 0x7ffc0000, "SCMP_ACT_NOTIFY": 0x7fc00000,
	}[a]
}

// modelArgs: all conditions, or any if two are about one argument.
func modelArgs(a arch, list []specs.LinuxSeccompArg, args [6]uint64) bool {
	all, any, twice := true, false, false
	count := map[uint]int{}
	for _, c := range list {
		holds := modelArg(a, c, args[c.Index])
		all, any = all && holds, any || holds
		count[c.Index]++
		twice = twice || count[c.Index] > 1
	}
	if twice {
		return any
	}
	return all
}

// modelAlways: no conditions, or only such as compare nothing; one such is enough if any one is enough.
func modelAlways(a arch, list []specs.LinuxSeccompArg) bool {
	empty := 0
	count := map[uint]int{}
	twice := false
	for _, c := range list {
		if c.Op == specs.OpMaskedEqual && (c.Value == 0 || a != archX86_64 && a != archARM64 && uint32(c.Value) == 0) {
			empty++
		}
		count[c.Index]++
		twice = twice || count[c.Index] > 1
	}
	return empty == len(list) || twice && empty > 0
}

func modelArg(a arch, c specs.LinuxSeccompArg, v uint64) bool {
	value, two := c.Value, c.ValueTwo
	if a != archX86_64 && a != archARM64 {
		v, value, two = v&0xffffffff, value&0xffffffff, two&0xffffffff
	}
	switch c.Op {
	case specs.OpNotEqual:
		return v != value
	case specs.OpLessThan:
		return v < value
	case specs.OpLessEqual:
		return v <= value
	case specs.OpEqualTo:
		return v == value
	case specs.OpGreaterEqual:
		return v >= value
	case specs.OpGreaterThan:
		return v > value
	default:
		return v&value == two&value
	}
}

// someValues are arguments and operands that are likely to meet, on each side of every boundary.
var someValues = []uint64{0, 1, 2, 3, 38, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 32, 1<<32 + 1, 2<<32 | 2, 1 << 63, ^uint64(0),
	^uint64(0) - 1}

func genValue() *rapid.Generator[uint64] {
	return rapid.OneOf(rapid.SampledFrom(someValues), rapid.Uint64())
}

func genArg() *rapid.Generator[specs.LinuxSeccompArg] {
	return rapid.Custom(func(t *rapid.T) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{
			Index: rapid.UintRange(0, 5).Draw(t, "index"),
			Op:    specs.LinuxSeccompOperator(rapid.SampledFrom(Operators()).Draw(t, "op")),
			Value: genValue().Draw(t, "value"), ValueTwo: genValue().Draw(t, "valueTwo"),
		}
	})
}

// genNames leaves out the calls that 32-bit x86 multiplexes, which have tests of their own.
var genNames = rapid.SampledFrom(func() []string {
	var list []string
	for _, n := range names {
		if !isMultiplexed(n) && n != "write" {
			list = append(list, n)
		}
	}
	return append(list, "no_such_call", "read", "read", "clone", "clone", "ioctl", "ioctl")
}())

func genAction(t *rapid.T, words ...specs.LinuxSeccompAction) (specs.LinuxSeccompAction, *uint) {
	a := rapid.SampledFrom(words).Draw(t, "action")
	if (a == specs.ActErrno || a == specs.ActTrace) && rapid.Bool().Draw(t, "hasErrno") {
		n := rapid.UintRange(0, 133).Draw(t, "errno")
		return a, &n
	}
	return a, nil
}

func genProfile() *rapid.Generator[*specs.LinuxSeccomp] {
	return rapid.Custom(func(t *rapid.T) *specs.LinuxSeccomp {
		s := &specs.LinuxSeccomp{ListenerPath: "/x"}
		s.DefaultAction, s.DefaultErrnoRet = genAction(t, specs.ActErrno, specs.ActAllow, specs.ActKill, specs.ActLog,
			specs.ActKillProcess, specs.ActTrap, specs.ActTrace)
		s.Architectures = rapid.SliceOfN(rapid.SampledFrom([]specs.Arch{specs.ArchX86, specs.ArchX86_64, specs.ArchX32,
			specs.ArchARM, specs.ArchAARCH64, specs.ArchMIPS}), 0, 6).Draw(t, "archs")
		for range rapid.IntRange(0, 12).Draw(t, "calls") {
			c := specs.LinuxSyscall{
				Names: rapid.SliceOfN(genNames, 0, 60).Draw(t, "names"),
				Args:  rapid.SliceOfN(genArg(), 0, 4).Draw(t, "args"),
			}
			c.Action, c.ErrnoRet = genAction(t, specs.ActErrno, specs.ActAllow, specs.ActNotify, specs.ActTrap, specs.ActLog)
			s.Syscalls = append(s.Syscalls, c)
		}
		return s
	})
}

func genNumber(a arch) *rapid.Generator[uint32] {
	return rapid.OneOf(rapid.Map(genNames, func(n string) uint32 { nr, _ := a.numberOf(n); return nr }),
		rapid.Uint32Range(0, 600), rapid.SampledFrom([]uint32{x32Bit, x32Bit + 1, x32Bit - 1, 0xffffffff, x32Bit | 600}),
		rapid.Uint32())
}

func TestCompileAgreesWithModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genProfile().Draw(t, "profile")
		p, err := Compile(s)
		if err != nil {
			if !strings.Contains(err.Error(), "answers the same calls") {
				t.Fatal(err)
			}
			return
		}
		for range 40 {
			a := rapid.SampledFrom([]arch{archX86_64, archX86, archX32, archARM64, archARM}).Draw(t, "abi")
			nr := genNumber(a).Draw(t, "nr")
			var args [6]uint64
			for i := range args {
				args[i] = genValue().Draw(t, "arg")
			}
			if got, want := run(t, p, a.audit(), nr, args), model(s, a.audit(), nr, args); got != want {
				t.Fatalf("abi %d, call %d, arguments %x: filter %#x, model %#x", a, nr, args, got, want)
			}
		}
		if got := run(t, p, 0xc0ffee, 1, [6]uint64{}); got != unix.SECCOMP_RET_KILL_THREAD {
			t.Fatalf("unknown architecture: %#x", got)
		}
	})
}

func isMultiplexed(name string) bool {
	return slices.ContainsFunc(multiplexed[:], func(m mux) bool { return m.name == name })
}
