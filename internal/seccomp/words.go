package seccomp

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// word is a word of the profile and what it stands for. Tables of words are arrays, searched from the front: a map
// would be built each time the program starts.
type word[T any] struct {
	text  string
	value T
}

func find[T any](table []word[T], text string) (value T, ok bool) {
	i := slices.IndexFunc(table, func(w word[T]) bool { return w.text == text })
	if i < 0 {
		return value, false
	}
	return table[i].value, true
}

func texts[T any](table []word[T]) []string {
	list := make([]string, len(table))
	for i, w := range table {
		list[i] = w.text
	}
	slices.Sort(list)
	return list
}

func expected[T any](table []word[T]) string { return strings.Join(texts(table), ", ") }

var actionWords = [...]word[action]{
	{string(specs.ActKill), unix.SECCOMP_RET_KILL_THREAD},
	{string(specs.ActKillThread), unix.SECCOMP_RET_KILL_THREAD},
	{string(specs.ActKillProcess), unix.SECCOMP_RET_KILL_PROCESS},
	{string(specs.ActTrap), unix.SECCOMP_RET_TRAP},
	{string(specs.ActErrno), unix.SECCOMP_RET_ERRNO},
	{string(specs.ActTrace), unix.SECCOMP_RET_TRACE},
	{string(specs.ActAllow), unix.SECCOMP_RET_ALLOW},
	{string(specs.ActLog), unix.SECCOMP_RET_LOG},
	{string(specs.ActNotify), unix.SECCOMP_RET_USER_NOTIF},
}

var operatorWords = [...]word[op]{
	{string(specs.OpNotEqual), opNe},
	{string(specs.OpLessThan), opLt},
	{string(specs.OpLessEqual), opLe},
	{string(specs.OpEqualTo), opEq},
	{string(specs.OpGreaterEqual), opGe},
	{string(specs.OpGreaterThan), opGt},
	{string(specs.OpMaskedEqual), opMasked},
}

// flagTSync is taken and ignored, as runc does: the threads that a runtime has besides the loading one end with exec.
const flagTSync = "SECCOMP_FILTER_FLAG_TSYNC"

var flagWords = [...]word[uint]{
	{flagTSync, 0},
	{string(specs.LinuxSeccompFlagLog), unix.SECCOMP_FILTER_FLAG_LOG},
	{string(specs.LinuxSeccompFlagSpecAllow), unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{string(specs.LinuxSeccompFlagWaitKillableRecv), unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
}

// archWords are all that the specification names. numArchs stands for those whose calls can't come in on any machine
// klw runs on: they are accepted and need no code.
var archWords = [...]word[arch]{
	{string(specs.ArchX86_64), archX86_64}, {string(specs.ArchX86), archX86}, {string(specs.ArchX32), archX32},
	{string(specs.ArchAARCH64), archARM64}, {string(specs.ArchARM), archARM},
	{string(specs.ArchMIPS), numArchs}, {string(specs.ArchMIPS64), numArchs}, {string(specs.ArchMIPS64N32), numArchs},
	{string(specs.ArchMIPSEL), numArchs}, {string(specs.ArchMIPSEL64), numArchs},
	{string(specs.ArchMIPSEL64N32), numArchs}, {string(specs.ArchPPC), numArchs}, {string(specs.ArchPPC64), numArchs},
	{string(specs.ArchPPC64LE), numArchs}, {string(specs.ArchS390), numArchs}, {string(specs.ArchS390X), numArchs},
	{string(specs.ArchPARISC), numArchs}, {string(specs.ArchPARISC64), numArchs},
	{string(specs.ArchRISCV64), numArchs}, {string(specs.ArchLOONGARCH64), numArchs},
	{string(specs.ArchM68K), numArchs}, {string(specs.ArchSH), numArchs}, {string(specs.ArchSHEB), numArchs},
}

// Actions lists the actions that Compile knows, for "klw-runc features".
func Actions() []string { return texts(actionWords[:]) }

// Operators lists the operators that Compile knows.
func Operators() []string { return texts(operatorWords[:]) }

// Archs lists the architectures that Compile knows.
func Archs() []string { return texts(archWords[:]) }

// Flags lists the flags that Compile knows.
func Flags() []string { return texts(flagWords[:]) }
