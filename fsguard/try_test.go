package fsguard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// What asks a view must not be the process that serves it: attempts run in this test's binary, started again.

const tryEnv = "KLW_FSGUARD_TRY"

// task is what the started binary does.
type task struct {
	Root     string
	UID      int
	Attempts [][]string
}

func TestMain(m *testing.M) {
	text := os.Getenv(tryEnv)
	if text == "" {
		goleak.VerifyTestMain(m)
		return
	}
	var do task
	must(json.Unmarshal([]byte(text), &do))
	must(syscall.Chroot(do.Root))
	must(os.Chdir("/"))
	must(syscall.Setgroups(nil))
	must(syscall.Setgid(do.UID))
	must(syscall.Setuid(do.UID))
	var results []string
	for _, a := range do.Attempts {
		results = append(results, result(try[a[0]](a[1:])))
	}
	must(json.NewEncoder(os.Stdout).Encode(results))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func result(err error) string {
	if err == nil {
		return "ok"
	}
	var e syscall.Errno
	if !errors.As(err, &e) {
		return err.Error()
	}
	return unix.ErrnoName(e)
}

// tryAs runs attempts (an operation and its arguments, blanks between) as a user, with dir as the root directory.
func tryAs(t *testing.T, uid uint32, dir string, attempts ...string) []string {
	t.Helper()
	do := task{Root: dir, UID: int(uid)}
	for _, a := range attempts {
		f := strings.Fields(a)
		if try[f[0]] == nil {
			t.Fatalf("no attempt %s", f[0])
		}
		do.Attempts = append(do.Attempts, f)
	}
	text, err := json.Marshal(do)
	check(t, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{tryEnv + "=" + string(text)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	var results []string
	check(t, json.Unmarshal(out.Bytes(), &results))
	return results
}

// try are the attempts, each with system calls of its own.
var try = map[string]func(a []string) error{
	"read":   func(a []string) error { return opens(a[0], unix.O_RDONLY) },
	"write":  func(a []string) error { return opens(a[0], unix.O_WRONLY) },
	"rdwr":   func(a []string) error { return opens(a[0], unix.O_RDWR) },
	"append": func(a []string) error { return opens(a[0], unix.O_WRONLY|unix.O_APPEND) },
	"rtrunc": func(a []string) error { return opens(a[0], unix.O_RDONLY|unix.O_TRUNC) },
	"creat":  func(a []string) error { return opens(a[0], unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL) },
	"create": func(a []string) error { return opens(a[0], unix.O_RDWR|unix.O_CREAT|unix.O_EXCL) },
	"connect": func(a []string) error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrUnix{Name: a[0]})
	},
	"list": func(a []string) error {
		_, err := os.ReadDir(a[0])
		return err
	},
	"stat": func(a []string) error {
		_, err := os.Stat(a[0])
		return err
	},
	"mkdir":    func(a []string) error { return unix.Mkdir(a[0], 0o755) },
	"mkfifo":   func(a []string) error { return unix.Mkfifo(a[0], 0o644) },
	"symlink":  func(a []string) error { return unix.Symlink(a[0], a[1]) },
	"link":     func(a []string) error { return unix.Link(a[0], a[1]) },
	"rename":   func(a []string) error { return unix.Rename(a[0], a[1]) },
	"exchange": func(a []string) error { return unix.Renameat2(-1, a[0], -1, a[1], unix.RENAME_EXCHANGE) },
	"unlink":   func(a []string) error { return unix.Unlink(a[0]) },
	"rmdir":    func(a []string) error { return unix.Rmdir(a[0]) },
	"readlink": func(a []string) error {
		_, err := os.Readlink(a[0])
		return err
	},
	"truncate": func(a []string) error { return unix.Truncate(a[0], 1) },
	"chmod":    func(a []string) error { return unix.Chmod(a[0], 0o640) },
	"chown":    func(a []string) error { return unix.Chown(a[0], os.Getuid(), os.Getgid()) },
	"utimes":   func(a []string) error { return unix.Utimes(a[0], make([]unix.Timeval, 2)) },
	"setxattr": func(a []string) error { return unix.Setxattr(a[0], "user.x", []byte("v"), 0) },
	"getxattr": func(a []string) error {
		_, err := unix.Getxattr(a[0], "user.x", make([]byte, 9))
		return err
	},
	"rmxattr": func(a []string) error { return unix.Removexattr(a[0], "user.x") },
	"exec":    func(a []string) error { return runs(a[0]) },
	"fchmod":  func(a []string) error { return byFD(a[0], func(fd int) error { return unix.Fchmod(fd, 0o600) }) },
	"futimes": func(a []string) error {
		return byFD(a[0], func(fd int) error { return unix.Futimes(fd, make([]unix.Timeval, 2)) })
	},
	"fsetxattr": func(a []string) error {
		return byFD(a[0], func(fd int) error { return unix.Fsetxattr(fd, "user.x", nil, 0) })
	},
	"reopen": func(a []string) error { return byFD(a[0], func(fd int) error { return again(fd, unix.O_RDWR) }) },
	"opath": func(a []string) error {
		fd, err := unix.Open(a[0], unix.O_PATH, 0)
		if err != nil {
			return err
		}
		return again(fd, unix.O_RDONLY)
	},
	"opathlink": func(a []string) error {
		fd, err := unix.Open(a[0], unix.O_PATH, 0)
		if err != nil {
			return err
		}
		return unix.Linkat(unix.AT_FDCWD, fdPath(fd), unix.AT_FDCWD, a[1], unix.AT_SYMLINK_FOLLOW)
	},
	"viadir": func(a []string) error {
		dir, err := unix.Open(a[0], unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		fd, err := unix.Openat(dir, a[1], unix.O_WRONLY, 0)
		unix.Close(fd)
		return err
	},
	"viaroot": func(a []string) error { return opens("/proc/self/root"+a[0], unix.O_WRONLY) },
	"tmpfile": func(a []string) error { return opens(a[0], unix.O_TMPFILE|unix.O_RDWR) },
	"tmplink": func(a []string) error {
		fd, err := unix.Open(a[0], unix.O_TMPFILE|unix.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		return unix.Linkat(unix.AT_FDCWD, fdPath(fd), unix.AT_FDCWD, a[1], unix.AT_SYMLINK_FOLLOW)
	},
	"tmpuse":   func(a []string) error { return useNameless(a[0], unix.O_TMPFILE) },
	"ghostuse": func(a []string) error { return useNameless(a[0]+"/ghost", unix.O_CREAT|unix.O_EXCL) },
	// ghostread makes a file where it may only write, removes it, and tries to read what has no name any more.
	"ghostread": func(a []string) error {
		path := a[0] + "/ghost"
		if err := opens(path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL); err != nil {
			return err
		}
		fd, err := unix.Open(path, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		if err := unix.Unlink(path); err != nil {
			return err
		}
		if err := again(fd, unix.O_WRONLY); err != nil {
			return fmt.Errorf("writing it: %v", err)
		}
		return again(fd, unix.O_RDONLY)
	},
	"copyrange": func(a []string) error {
		from, err := unix.Open(a[0], unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		to, err := unix.Open(a[1], unix.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = unix.CopyFileRange(from, nil, to, nil, 1, 0)
		return err
	},
	"fallocate": func(a []string) error {
		fd, err := unix.Open(a[0], unix.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return unix.Fallocate(fd, 0, 0, 10)
	},
}

func runs(program string) error {
	pid, err := syscall.ForkExec(program, []string{program}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	if err != nil {
		return err
	}
	var how syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &how, 0, nil); err != nil {
		return err
	}
	if how.ExitStatus() != 0 {
		return fmt.Errorf("exit status %d", how.ExitStatus())
	}
	return nil
}

func opens(path string, flags int) error {
	fd, err := unix.Open(path, flags, 0o644)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func byFD(path string, do func(fd int) error) error {
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}

func fdPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

func again(fd, flags int) error { return opens(fdPath(fd), flags) }

// useNameless does with a file that has no name what programs do with their temporary files.
func useNameless(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if flags&unix.O_CREAT != 0 {
		if err := unix.Unlink(path); err != nil {
			return err
		}
	}
	for _, do := range []func() error{
		func() error { _, err := unix.Write(fd, []byte("data")); return err },
		func() error { return unix.Ftruncate(fd, 2) },
		func() error { return unix.Fchmod(fd, 0o644) },
		func() error { return unix.Fallocate(fd, 0, 0, 100) },
		func() error { return unix.Fsync(fd) },
		func() error { return again(fd, unix.O_RDWR) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}
