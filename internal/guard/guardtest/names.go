package guardtest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Mounts gives the application's mounts, one a line.
func (a *App) Mounts() string {
	a.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", a.Cmd.Process.Pid))
	if err != nil {
		a.t.Fatal(err)
	}
	return strings.Join(slices.Collect(func(yield func(string) bool) {
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, a.dir) && !yield(line) {
				return
			}
		}
	}), "")
}

// performNames does something with names. ok is false for other commands.
func performNames(command string, path func(string) string, args []string) (answer string, ok bool) {
	do := byName[command]
	if do == nil || len(args) == 0 {
		return "", false
	}
	at := make([]string, len(args))
	for i, a := range args {
		at[i] = path(a)
	}
	return errnoOf(do(at[0], at[len(at)-1])), true
}

// byName are operations on one path, or two.
var byName = map[string]func(a, b string) error{
	"tmpfs":   func(a, _ string) error { return unix.Mount("none", a, "tmpfs", 0, "size=64k") },
	"proc":    func(a, _ string) error { return unix.Mount("proc", a, "proc", 0, "") },
	"stat":    func(a, _ string) error { return unix.Stat(a, &unix.Stat_t{}) },
	"readdir": func(a, _ string) error { _, err := os.ReadDir(a); return err },
	"rmdir":   func(a, _ string) error { return unix.Rmdir(a) },
	"unlink":  func(a, _ string) error { return unix.Unlink(a) },
	"rename":  unix.Rename,
	"exchange": func(a, b string) error {
		return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	},
	"link":        unix.Link,
	"symlink":     unix.Symlink,
	"readlink":    func(a, _ string) error { _, err := unix.Readlink(a, make([]byte, 10)); return err },
	"chmod":       func(a, _ string) error { return unix.Chmod(a, 0o700) },
	"chown":       func(a, _ string) error { return unix.Chown(a, 1, 1) },
	"utimes":      func(a, _ string) error { return os.Chtimes(a, time.Now(), time.Now()) },
	"truncate":    func(a, _ string) error { return unix.Truncate(a, 0) },
	"getxattr":    func(a, _ string) error { _, err := unix.Getxattr(a, "user.x", nil); return err },
	"setxattr":    func(a, _ string) error { return unix.Setxattr(a, "user.x", []byte("x"), 0) },
	"removexattr": func(a, _ string) error { return unix.Removexattr(a, "user.x") },
	"listxattr":   func(a, _ string) error { _, err := unix.Listxattr(a, nil); return err },
	"mkfifo":      func(a, _ string) error { return unix.Mkfifo(a, 0o600) },
	"mknod":       func(a, _ string) error { return unix.Mknod(a, unix.S_IFBLK|0o600, 1<<8) },
	"exec":        func(a, _ string) error { _, err := os.StartProcess(a, []string{a}, &os.ProcAttr{}); return err },
	"tmpfile": func(a, _ string) error {
		fd, err := unix.Open(a, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		if err == nil {
			unix.Close(fd)
		}
		return err
	},
}
