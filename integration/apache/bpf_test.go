package apache

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// noBPF as its first argument makes the test binary run the others without the system call bpf.
const noBPF = "klw-without-bpf"

// withoutBPF is start on a kernel that has no bpf(2): a filter answers ENOSYS.
func (b *box) withoutBPF() result {
	b.Helper()
	cmd := b.command("klw-runc", "run", b.bundle)
	cmd.Args = append([]string{os.Args[0], noBPF}, cmd.Args...)
	cmd.Path = "/proc/self/exe"
	return b.finish(cmd)
}

func runWithoutBPF(args []string) error {
	runtime.LockOSThread()
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4}, // the number
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_BPF, SkipFalse: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))}
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&filter))); e != 0 {
		return fmt.Errorf("seccomp: %w", e)
	}
	return syscall.Exec(args[0], args, os.Environ())
}

func lookPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
