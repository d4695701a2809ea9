package apache

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Made twice the bundle is the same; half made it is no bundle, and is made anew.
func TestMakeBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	made := make(chan error, 1)
	go func() { made <- makeBundle(second).Run() }()

	cmd := makeBundle(first)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with all that it starts
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	part := first + ".partial"
	for end := time.Now().Add(2 * time.Minute); !exists(part + "/rootfs/usr/bin/bash"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("make-bundle unpacked nothing in 2 minutes")
		}
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	cmd.Wait()
	if exists(first) || !exists(part) {
		t.Fatalf("killed while unpacking: %s is there: %v, %s: %v", first, exists(first), part, exists(part))
	}
	if err := os.WriteFile(filepath.Join(part, "rootfs/usr/stale"), nil, 0o644); err != nil {
		t.Fatal(err)
	}

	if out, err := makeBundle(first).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	if exists(part) || exists(first+".old") {
		t.Error("what it was made in is still there")
	}
	a, b := manifest(t, first), manifest(t, second)
	if d := diff(a, b); d != "" {
		t.Errorf("two bundles differ:\n%s", d)
	}

	stamp := mtime(t, filepath.Join(first, ".stamp"))
	out, err := makeBundle(first).CombinedOutput()
	if err != nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "is up to date") {
		t.Errorf("made again: %v: %s", err, out)
	}
	if mtime(t, filepath.Join(first, ".stamp")) != stamp || diff(a, manifest(t, first)) != "" {
		t.Error("made again it isn't the same")
	}
}

// Somebody's own folder is left alone.
func TestMakeBundleOverAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, err := makeBundle(dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "was not made by this script: move it away") {
		t.Errorf("%v: %s", err, out)
	}
	if !exists(dir) || exists(dir+".partial") {
		t.Error("the folder isn't what it was")
	}
}

func makeBundle(to string) *exec.Cmd {
	return exec.Command(filepath.Join(top, "bundle/apache/make-bundle"), filepath.Join(top, "examples/policies/apache.policy"), to)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func mtime(t *testing.T, path string) time.Time {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.ModTime()
}

// manifest lists a tree: everything but times.
func manifest(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		content := ""
		switch {
		case d.Type().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = fmt.Sprintf("%x", sha256.Sum256(text))
		case d.Type() == fs.ModeSymlink:
			if content, err = os.Readlink(path); err != nil {
				return err
			}
		}
		if d.IsDir() {
			st.Nlink = 0 // the file system's matter
		}
		names := make([]byte, 1024)
		n, _ := unix.Llistxattr(path, names)
		_, err = fmt.Fprintf(&out, "%s %o %d:%d links %d xattr %q %s\n", rel, st.Mode, st.Uid, st.Gid, st.Nlink, names[:max(n, 0)], content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
