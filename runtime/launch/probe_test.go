package launch_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"klw/internal/nofile"
)

// probe is the program in the test's containers: each argument is one thing to look at, the answer one line (or the
// file's text). "stay" waits until standard input ends.
func probe(args []string) {
	for _, a := range args {
		word, rest, _ := strings.Cut(a, ":")
		do, ok := probes[word]
		if !ok {
			fmt.Println("probe: unknown", word)
			os.Exit(99)
		}
		text, err := do(rest)
		if err != nil {
			text = "error: " + err.Error()
		}
		fmt.Println(strings.TrimRight(text, "\n"))
	}
}

var probes = map[string]func(string) (string, error){
	"cat": func(path string) (string, error) {
		b, err := os.ReadFile(path)
		return string(b), err
	},
	"status": func(field string) (string, error) {
		b, err := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(b)) {
			if k, v, _ := strings.Cut(line, ":"); k == field {
				return strings.TrimSpace(v), nil
			}
		}
		return "", errors.Join(err, errors.New("no such field"))
	},
	"ls": func(path string) (string, error) {
		list, err := os.ReadDir(path)
		var names []string
		for _, e := range list {
			names = append(names, e.Name())
		}
		return strings.Join(names, " "), err
	},
	"fds": func(string) (string, error) {
		var open []string
		for fd := range 200 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
				continue
			}
			to, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
			if !strings.HasPrefix(to, "anon_inode:") || fd < 3 {
				open = append(open, fmt.Sprint(fd))
			}
		}
		return strings.Join(open, " "), nil
	},
	"cwd":      func(string) (string, error) { return os.Getwd() },
	"env":      func(name string) (string, error) { return os.Getenv(name), nil },
	"hostname": func(string) (string, error) { return os.Hostname() },
	"ids": func(string) (string, error) {
		groups, err := os.Getgroups()
		return fmt.Sprint(os.Getuid(), os.Getgid(), groups), err
	},
	"readlink": os.Readlink,
	"write": func(path string) (string, error) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return "", err
		}
		defer f.Close()
		_, err = f.WriteString("x")
		return "written", err
	},
	"touch": func(path string) (string, error) {
		f, err := os.Create(path)
		if err == nil {
			f.Close()
		}
		return "made", err
	},
	"stat": func(path string) (string, error) {
		var st unix.Stat_t
		err := unix.Lstat(path, &st)
		return fmt.Sprintf("%o %d:%d %d %d", st.Mode, unix.Major(st.Rdev), unix.Minor(st.Rdev), st.Uid, st.Gid), err
	},
	// mount gives the options of the topmost mount on a path.
	"mount": func(path string) (string, error) {
		b, err := os.ReadFile("/proc/self/mountinfo")
		found := "none"
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if f[4] == path {
				found = f[5] + " " + strings.Join(f[6:], " ")
			}
		}
		return found, err
	},
	"rlimit": func(string) (string, error) { return fmt.Sprint(nofile.Cur, " ", nofile.Max), nil },
	"umask":  func(string) (string, error) { return fmt.Sprintf("%03o", unix.Umask(0)), nil },
	"pid":    func(string) (string, error) { return fmt.Sprint(os.Getpid()), nil },
	"stay": func(string) (string, error) {
		_, err := io.Copy(io.Discard, os.Stdin)
		return "stayed", err
	},
	"isatty": func(string) (string, error) {
		w, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
		if err != nil {
			return "", err
		}
		_, err = os.OpenFile("/dev/tty", os.O_RDWR, 0)
		return fmt.Sprint(w.Row, w.Col), err
	},
	"stdin": func(path string) (string, error) {
		b, err := io.ReadAll(os.Stdin)
		return "", errors.Join(err, os.WriteFile(path, b, 0o644))
	},
	"unshare": func(string) (string, error) { return "unshared", unix.Unshare(unix.CLONE_NEWUTS) },
	"glob": func(pattern string) (string, error) {
		list, err := filepath.Glob(pattern)
		return strings.Join(list, " "), err
	},
}
