package seccomp

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func parseProfile(t testing.TB, text string) *specs.LinuxSeccomp {
	t.Helper()
	var s specs.LinuxSeccomp
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// TestCompileErrors: each names the place and what would be right.
func TestCompileErrors(t *testing.T) {
	for _, c := range []struct{ profile, want string }{
		{`{"defaultAction":"ALLOW"}`, `linux.seccomp.defaultAction: unknown action "ALLOW", expected one of SCMP_ACT_ALLOW, SCMP_ACT_ERRNO`},
		{`{"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`, `linux.seccomp.defaultAction: unknown action ""`},
		{`{"defaultAction":"SCMP_ACT_NOTIFY"}`, `linux.seccomp.defaultAction: SCMP_ACT_NOTIFY can't be the default`},
		{`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096}`, `linux.seccomp.defaultErrnoRet: 4096, expected 0 to 4095`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}`, `linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW takes no errno`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86","Z80"]}`, `linux.seccomp.architectures[1]: unknown architecture "Z80"`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG","LOUD"]}`, `linux.seccomp.flags[1]: unknown flag "LOUD"`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO"},{"names":["read"],"action":"NO"}]}`,
			`linux.seccomp.syscalls[1].action: unknown action "NO"`},
		{`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","errnoRet":38}]}`,
			`linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_ALLOW takes no errno`},
		{`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRACE","errnoRet":65536}]}`,
			`linux.seccomp.syscalls[0].errnoRet: 65536, expected 0 to 65535`},
		{`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read",""],"action":"SCMP_ACT_ALLOW"}]}`,
			`linux.seccomp.syscalls[0].names[1]: empty`},
		{`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"="}]}]}`,
			`linux.seccomp.syscalls[0].args[0].op: unknown operator "=", expected one of SCMP_CMP_EQ`},
		{`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]}]}`,
			`linux.seccomp.syscalls[0].args[0].index: 6, expected 0 to 5`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/a","syscalls":[{"names":["read","write"],"action":"SCMP_ACT_NOTIFY"}]}`,
			`linux.seccomp.syscalls[0].names[1]: write can't be SCMP_ACT_NOTIFY`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY"}]}`, `linux.seccomp.listenerPath: missing`},
		{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
			{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},
			{"names":["close","read"],"action":"SCMP_ACT_TRAP","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}`,
			`linux.seccomp.syscalls[1]: answers the same calls and arguments otherwise than syscalls[0]`},
	} {
		_, err := Compile(parseProfile(t, c.profile))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s\n\tgives  %v\n\twanted %s", c.profile, err, c.want)
		}
	}
}

func TestNothingToCompile(t *testing.T) {
	for _, s := range []*specs.LinuxSeccomp{nil, {}} {
		p, err := Compile(s)
		if err != nil || len(p.Filter) != 0 {
			t.Errorf("%v, %v", p, err)
		}
		if err := p.Load(); err != nil {
			t.Error(err)
		}
	}
}

func TestFlags(t *testing.T) {
	const notify = `,"listenerPath":"/a","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY"}]`
	for _, c := range []struct {
		rest string
		want uint
	}{
		{``, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{`,"flags":[]`, 0},
		{`,"flags":["SECCOMP_FILTER_FLAG_TSYNC"]`, 0},
		{`,"flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_SPEC_ALLOW"]`, unix.SECCOMP_FILTER_FLAG_LOG | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{`,"flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]`, 0}, // nothing to wait for
		{`,"flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]` + notify, unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER},
		{`,"flags":[]` + notify, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER},
	} {
		p, err := Compile(parseProfile(t, `{"defaultAction":"SCMP_ACT_ALLOW"`+c.rest+`}`))
		if err != nil || p.Flags != c.want {
			t.Errorf("%s: %#x, %v; want %#x", c.rest, p.Flags, err, c.want)
		}
	}
}

// TestMultiplexed: what an entry means for socketcall(2) and ipc(2) of 32-bit x86.
func TestMultiplexed(t *testing.T) {
	const (
		allowed = unix.SECCOMP_RET_ALLOW
		refused = unix.SECCOMP_RET_ERRNO | action(unix.EPERM)
		args    = `,"args":[{"index":0,"value":2,"op":"SCMP_CMP_EQ"}]`
	)
	profile := func(otherwise, name, act, args string) Program {
		p, err := Compile(parseProfile(t, `{"defaultAction":"`+otherwise+`","architectures":["SCMP_ARCH_X86"],"syscalls":[
			{"names":["`+name+`","setns"],"action":"`+act+`"`+args+`}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		what string
		p    Program
		call string
		nr   uint64
		want action
	}{
		{"allowed", profile("SCMP_ACT_ERRNO", "socket", "SCMP_ACT_ALLOW", ""), "socketcall", 1, allowed},
		{"another is not", profile("SCMP_ACT_ERRNO", "socket", "SCMP_ACT_ALLOW", ""), "socketcall", 2, refused},
		{"the direct form", profile("SCMP_ACT_ERRNO", "socket", "SCMP_ACT_ALLOW", ""), "socket", 1, allowed},
		{"no direct form", profile("SCMP_ACT_ERRNO", "recv", "SCMP_ACT_ALLOW", ""), "socketcall", 10, allowed},
		{"ipc", profile("SCMP_ACT_ERRNO", "shmget", "SCMP_ACT_ALLOW", ""), "ipc", 23, allowed},
		{"refused", profile("SCMP_ACT_ALLOW", "socket", "SCMP_ACT_ERRNO", ""), "socketcall", 1, refused},
		{"never loosened by what can't be seen", profile("SCMP_ACT_ERRNO", "socket", "SCMP_ACT_ALLOW", args), "socketcall", 1, refused},
		{"tightened by it", profile("SCMP_ACT_ALLOW", "socket", "SCMP_ACT_ERRNO", args), "socketcall", 1, refused},
		{"others go on", profile("SCMP_ACT_ALLOW", "socket", "SCMP_ACT_ERRNO", args), "socketcall", 3, allowed},
	} {
		if got := run(t, c.p, archX86.audit(), mustCall(t, archX86, c.call), [6]uint64{c.nr}); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.what, got, c.want)
		}
	}
	if !slices.IsSortedFunc(multiplexed[:], func(a, b mux) int { return strings.Compare(a.name, b.name) }) {
		t.Error("the table isn't sorted")
	}
}

// manyConditions is a profile whose code is far longer than a conditional jump reaches.
func manyConditions(calls int) *specs.LinuxSeccomp {
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i, name := range names[:calls] {
		s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActTrace, Args: []specs.LinuxSeccompArg{
			{Index: 0, Value: uint64(i)<<32 | 7, Op: specs.OpGreaterThan}, {Index: 1, Value: uint64(i), Op: specs.OpNotEqual}}})
	}
	return s
}

func TestLongJumps(t *testing.T) {
	s := manyConditions(300)
	p, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Filter) < 2000 {
		t.Fatalf("only %d instructions", len(p.Filter))
	}
	for i := range uint64(480) {
		for _, args := range [][6]uint64{{i<<32 | 8, i}, {i<<32 | 8, i + 1}, {^uint64(0), 0}, {0, 1}, {i << 32, 3}} {
			if got, want := run(t, p, native().audit(), uint32(i), args), model(s, native().audit(), uint32(i), args); got != want {
				t.Fatalf("call %d, %x: %#x, want %#x", i, args, got, want)
			}
		}
	}
}

// TestLongProgramInKernel: the kernel takes it, and jumps as far.
func TestLongProgramInKernel(t *testing.T) {
	s := manyConditions(300)
	s.DefaultAction = specs.ActAllow
	for i := range s.Syscalls {
		s.Syscalls[i].Action = specs.ActErrno
		s.Syscalls[i].Args[0] = specs.LinuxSeccompArg{Index: 0, Value: 0xfeed<<32 | uint64(i), Op: specs.OpEqualTo}
	}
	p, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	var j job
	j.Program = p
	for _, i := range []uint64{3, 145, 295} {
		for _, hit := range []uint64{0xfeed<<32 | i, 0xfeed<<32 | i + 1} {
			if nr, ok := native().number(int(i)); ok {
				j.Calls = append(j.Calls, sys{Nr: nr, Args: [6]uint64{hit, 1 << 40}})
			}
		}
	}
	for i, got := range child(t, j) {
		if (got == unix.EPERM) != (i%2 == 0) {
			t.Errorf("call %d %x: %v", j.Calls[i].Nr, j.Calls[i].Args, got)
		}
	}
}

func TestTooLong(t *testing.T) {
	s := manyConditions(len(names))
	s.Syscalls = append(s.Syscalls, s.Syscalls...)
	for i := range s.Syscalls[len(names):] {
		a := slices.Clone(s.Syscalls[i].Args)
		a[0].Value++
		s.Syscalls[len(names)+i].Args = a
	}
	if _, err := Compile(s); err == nil || !strings.Contains(err.Error(), "the kernel takes 4096") {
		t.Errorf("error %v", err)
	}
}

// FuzzCompile: whatever the section says, Compile gives an error or a program that the model agrees with.
func FuzzCompile(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X32"],
		"flags":["SECCOMP_FILTER_FLAG_LOG"],"syscalls":[{"names":["read","clone"],"action":"SCMP_ACT_ALLOW",
		"args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]}]}`), uint32(56), uint64(17))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"],"action":"SCMP_ACT_KILL_PROCESS"}]}`), uint32(165), uint64(0))
	f.Fuzz(func(t *testing.T, text []byte, nr uint32, arg uint64) {
		var s specs.LinuxSeccomp
		if json.Unmarshal(text, &s) != nil {
			return
		}
		p, err := Compile(&s)
		if err != nil || len(p.Filter) == 0 {
			return
		}
		args := [6]uint64{arg, arg, arg, arg, arg, arg}
		for _, audit := range []uint32{unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_AARCH64} {
			if got, want := run(t, p, audit, nr, args), model(&s, audit, nr, args); got != want {
				t.Errorf("architecture %#x, call %d, arguments %x: filter %#x, model %#x", audit, nr, arg, got, want)
			}
		}
	})
}

// TestPrecedence: which of several entries for one call counts.
func TestPrecedence(t *testing.T) {
	const (
		trap  = unix.SECCOMP_RET_TRAP
		log   = unix.SECCOMP_RET_LOG
		errno = unix.SECCOMP_RET_ERRNO | action(unix.EPERM)
	)
	entry := func(act, args string) string {
		return `{"names":["read"],"action":"SCMP_ACT_` + act + `","args":[` + args + `]}`
	}
	const (
		is0  = `{"index":0,"value":0,"op":"SCMP_CMP_EQ"}`
		is1  = `{"index":1,"value":0,"op":"SCMP_CMP_EQ"}`
		high = `{"index":0,"value":4294967296,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}` // nothing, in 32 bits
	)
	for _, c := range []struct {
		what     string
		abi      arch
		syscalls []string
		args     [6]uint64
		want     action
	}{
		{"the first without conditions", archX86_64, []string{entry("TRAP", ""), entry("LOG", "")}, [6]uint64{}, trap},
		{"before one with", archX86_64, []string{entry("TRAP", is0), entry("LOG", "")}, [6]uint64{}, log},
		{"the first with conditions", archX86_64, []string{entry("TRAP", is1), entry("LOG", is0)}, [6]uint64{}, trap},
		{"or else the next", archX86_64, []string{entry("TRAP", is1), entry("LOG", is0)}, [6]uint64{0, 1}, log},
		{"or else the default", archX86_64, []string{entry("TRAP", is1), entry("LOG", is0)}, [6]uint64{1, 1}, errno},
		{"a mask of 64 bits", archX86_64, []string{entry("TRAP", high), entry("LOG", "")}, [6]uint64{}, log},
		{"is empty in 32", archX86, []string{entry("TRAP", high), entry("LOG", "")}, [6]uint64{}, trap},
		{"the same answer twice", archX86_64, []string{entry("TRAP", is0), entry("TRAP", is0)}, [6]uint64{}, trap},
		{"the default itself is left out", archX86_64, []string{entry("ERRNO", ""), entry("LOG", "")}, [6]uint64{}, log},
	} {
		p, err := Compile(parseProfile(t, `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86","SCMP_ARCH_X86_64"],
			"syscalls":[`+strings.Join(c.syscalls, ",")+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := run(t, p, c.abi.audit(), mustCall(t, c.abi, "read"), c.args); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.what, got, c.want)
		}
	}
}
