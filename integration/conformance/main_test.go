package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests in a mount namespace of their own, or what a test started this program again for.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(lockEnv) != "":
		lockMain()
	case os.Getenv(workerEnv) != "":
		workerMain()
	case os.Getenv("KLW_CONFORMANCE") == "":
		os.Exit(runPrivately())
	default:
		goleak.VerifyTestMain(m)
	}
}

func runPrivately() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), "KLW_CONFORMANCE=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "tests in a mount namespace:", err)
		return 1
	}
	return 0
}
