package view

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func sorted(list []string) []string {
	list = append([]string(nil), list...)
	sort.Strings(list)
	return list
}

// listing describes everything below a folder.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		n, _ := unix.Llistxattr(p, nil)
		fmt.Fprintf(&b, "%s %o %d:%d %d %d %d %d\n", p, st.Mode, st.Uid, st.Gid, st.Size, st.Nlink, st.Mtim.Nano(), n)
		return nil
	}))
	return b.String()
}

func mountinfo(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/mountinfo")
	must(t, err)
	var own []string
	for _, line := range strings.Split(string(b), "\n") {
		if strings.Contains(line, os.TempDir()+"/"+"Test") {
			own = append(own, line)
		}
	}
	return strings.Join(own, "\n")
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Errorf("not within 5 s: %s", what)
}

// inode gives what the server knows a file of the view as.
func (m *mounted) inode(t *testing.T, name string) *Inode {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(m.path(name), &st))
	key := m.keyOf(t, filepath.Join(m.back, name))
	m.srv.mu.RLock()
	defer m.srv.mu.RUnlock()
	n := m.srv.byKey[key]
	if n == nil {
		t.Fatalf("%s isn't known", name)
	}
	return n
}
