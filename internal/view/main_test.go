package view

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests in a mount namespace of their own: no other process can keep their mounts, and none is left
// behind whatever happens.
func TestMain(m *testing.M) {
	if os.Getenv("KLW_VIEW_TEST") == "" {
		os.Exit(runPrivately())
	}
	fds := len(descriptors())
	code := m.Run()
	if code == 0 {
		code = leaks(fds)
	}
	os.Exit(code)
}

func descriptors() []os.DirEntry {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return list
}

// leaks tells whether goroutines or descriptors are left when all views have ended.
func leaks(fds int) int {
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	list := descriptors()
	if len(list) <= fds+2 { // the runtime's own poller
		return 0
	}
	for _, d := range list {
		to, _ := os.Readlink("/proc/self/fd/" + d.Name())
		fmt.Fprintln(os.Stderr, "left open:", d.Name(), to)
	}
	return 1
}

func runPrivately() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), "KLW_VIEW_TEST=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT, syscall.SIGTERM)
	err := cmd.Start()
	if err == nil {
		go func() {
			for s := range quit {
				cmd.Process.Signal(s)
			}
		}()
		err = cmd.Wait()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests in a mount namespace:", err)
		return 1
	}
	return 0
}
