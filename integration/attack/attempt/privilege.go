package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Ways back to root for who has given it up. Those that run a program want its path as the argument.
func privilegeAttempts() {
	add("whoami", "print the effective user; fails for anybody but root", func(string) error {
		if id := unix.Geteuid(); id != 0 {
			return fmt.Errorf("uid %d: %w", id, unix.EPERM)
		}
		return nil
	})
	add("raise", "become root by capability", func(string) error { return unix.Setuid(0) })
	add("suid-program", "run a set-user-ID program as www-data", func(path string) error { return runs(path, "whoami") })
	add("filecap-program", "run a program with file capabilities as www-data", func(path string) error { return runs(path, "raise") })
	add("setuid-saved", "setuid(0) with a saved uid of 0", func(string) error {
		return afterGivingUp(func() error { return unix.Setuid(0) })
	})
	add("setuid-high-bits", "setuid(0) with bits beyond the 32 that count", func(string) error {
		return afterGivingUp(func() error {
			if _, _, errno := unix.RawSyscall(unix.SYS_SETUID, 1<<32, 0, 0); errno != 0 {
				return errno
			}
			return nil
		})
	})
	add("setreuid-saved", "setreuid(-1, 0) with a saved uid of 0", func(string) error {
		return afterGivingUp(func() error { return unix.Setreuid(-1, 0) })
	})
	add("setresuid-saved", "setresuid(-1, 0, -1) with a saved uid of 0", func(string) error {
		return afterGivingUp(func() error { return unix.Setresuid(-1, 0, -1) })
	})
	add("setfsuid-saved", "setfsuid(0) with a saved uid of 0, then write what is root's", func(string) error {
		return afterGivingUp(func() error {
			_ = unix.Setfsuid(0)
			if id, _ := unix.SetfsuidRetUid(-1); id != 0 {
				return unix.EPERM
			}
			return nil
		})
	})
	add("userns", "make a user namespace and be root in it", func(string) error {
		return child(0, func() unix.Errno {
			_, _, errno := unix.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER, 0, 0)
			return errno
		})
	})
	add("userns-clone", "make a user namespace by clone", func(string) error {
		return child(unix.CLONE_NEWUSER, func() unix.Errno { return 0 })
	})
}

func runs(program, what string) error {
	out, err := exec.Command(program, what).CombinedOutput()
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("it answered %q", strings.TrimSpace(string(out)))
	}
	return err
}

// afterGivingUp becomes www-data but keeps 0 as the saved uid, checks that it is not root, and tries back.
func afterGivingUp(back func() error) error {
	if os.Getuid() != 0 {
		return setupFailed("start", fmt.Errorf("this attack starts as root"))
	}
	if err := unix.Setresuid(33, 33, -1); err != nil {
		return setupFailed("give up root", err)
	}
	return back()
}

// child runs body in a child made by clone with flags. body may only make raw system calls: the child of a program
// with many threads has one. If Go's scheduler wanted the thread just then, the child waits for the others for ever; then
// it is made once more.
func child(flags uintptr, body func() unix.Errno) error {
	for range 5 {
		pid, errno := cloned(flags, body)
		if errno != 0 {
			return errno
		}
		status, ended, err := waitFor(pid)
		if err != nil {
			return setupFailed("wait", err)
		}
		if ended {
			return answered(status)
		}
	}
	return setupFailed("wait", errors.New("no child comes to its end"))
}

//go:norace
func cloned(flags uintptr, body func() unix.Errno) (pid int, errno unix.Errno) {
	p, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if p == 0 && errno == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(body()), 0, 0)
	}
	return int(p), errno
}

// waitFor gives a child three seconds, then kills it.
func waitFor(pid int) (status unix.WaitStatus, ended bool, err error) {
	for range 300 {
		got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
		if got == pid || err != nil {
			return status, err == nil, err
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return status, false, err
	}
	_, err = unix.Wait4(pid, &status, 0, nil)
	return status, false, err
}

func answered(status unix.WaitStatus) error {
	if code := status.ExitStatus(); code != 0 {
		return unix.Errno(code)
	}
	return nil
}
