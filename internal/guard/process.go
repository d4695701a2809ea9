package guard

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"klw/internal/handshake"
)

// isolate makes this process independent of the one that started it: a session of its own, no inherited descriptor
// but the handshake and the log that klw-runc opened, no environment, no folder kept busy. Nobody may trace it or read
// its memory.
func isolate() error {
	_, _ = unix.Setsid() // fails where klw-runc has done it
	unix.Umask(0o077)
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("make the guard untraceable: %w", err)
	}
	_, _, _ = syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
	if err := os.Chdir("/"); err != nil {
		return err
	}
	os.Clearenv()
	os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	raiseFiles()
	// A guard that is killed for memory closes its container's files. Needs CAP_SYS_RESOURCE: best effort.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-900"), 0)
	return closeInherited()
}

// raiseFiles takes as many descriptors as the hard limit gives.
func raiseFiles() {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) == nil && r.Cur < r.Max {
		r.Cur = r.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &r)
	}
}

// closeInherited closes what is open beyond the handshake, except what Go's runtime opened for itself.
func closeInherited() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("list inherited descriptors: %w", err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= handshake.FD {
			continue
		}
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") {
			continue
		}
		unix.Close(fd)
	}
	return nil
}

// ownCgroup gives the v2 cgroup of this process if it is one that klw-runc made for it, else "".
func ownCgroup(container string) string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if ok && strings.Contains(path, "/klw-guard/") {
			return filepath.Join(v2Mount(container), path)
		}
	}
	return ""
}

// v2Mount gives the mount point of the v2 hierarchy that a cgroup lies in: the highest folder of its file system.
func v2Mount(cgroup string) string {
	top := filepath.Clean(cgroup)
	for isCgroup2(filepath.Dir(top)) && filepath.Dir(top) != top {
		top = filepath.Dir(top)
	}
	return top
}

func isCgroup2(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}
