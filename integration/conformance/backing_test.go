package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"klw/internal/view"
)

// backings are the file systems that views are made of.
var backings = []struct {
	name  string
	mount func(t testing.TB) string
}{
	{"ext4", func(t testing.TB) string { return loop(t, "ext4", "-q", "-F") }},
	{"xfs", func(t testing.TB) string { return loop(t, "xfs", "-q") }},
	{"btrfs", func(t testing.TB) string { return loop(t, "btrfs", "-q") }},
	{"tmpfs", tmpfs},
	{"overlay", overlay},
	{"view", func(t testing.TB) string {
		back, point := t.TempDir(), t.TempDir()
		attach(t, newServer(t), view.Options{Source: back, Cached: true, Ordered: true}, point)
		return point
	}},
}

func tmpfs(t testing.TB) string {
	dir := t.TempDir()
	mounted(t, "none", dir, "tmpfs", "size=2g")
	return dir
}

// loop makes a file system of its own in a file.
func loop(t testing.TB, kind string, options ...string) string {
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	check(t, os.WriteFile(image, nil, 0o600))
	check(t, os.Truncate(image, 1<<30))
	run(t, "mkfs."+kind, append(options, image)...)
	run(t, "mount", "-o", "loop", "-t", kind, image, dir)
	t.Cleanup(func() { run(t, "umount", dir) })
	return dir
}

// overlay is one over a tmpfs: what Podman and containerd use as a root.
func overlay(t testing.TB) string {
	base := tmpfs(t)
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		check(t, os.Mkdir(filepath.Join(base, d), 0o755))
	}
	merged := filepath.Join(base, "merged")
	mounted(t, "none", merged, "overlay", fmt.Sprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", base, base, base))
	return merged
}

func mounted(t testing.TB, source, dir, kind, options string) {
	check(t, unix.Mount(source, dir, kind, 0, options))
	t.Cleanup(func() { check(t, unix.Unmount(dir, unix.MNT_DETACH)) })
}

func run(t testing.TB, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/sbin:/usr/bin:/bin")
	cmd.Path, _ = exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"} {
		if _, err := os.Stat(dir + program); err == nil && cmd.Path == "" {
			cmd.Path, cmd.Err = dir+program, nil
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %q: %v: %s", program, args, err, out)
	}
}
