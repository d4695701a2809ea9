package guard_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/guard/guardtest"
	"klw/internal/handshake"
)

// mountPolicy refuses directories above mounts, and much else.
const mountPolicy = `application test
@general
file /            read execute
file /secret      none
file /data        read write
file /data/hidden none
file /shared      read write
`

// mountsLike gives a container with views below refused and allowed directories.
func mountsLike(t *testing.T) (f *guardtest.Container, shared string) {
	f = guardtest.New(t, mountPolicy)
	rootfs := filepath.Join(f.Bundle, "rootfs")
	shared = t.TempDir()
	for _, dir := range []string{"secret/below", "data/hidden/below", "data/tmp", "secret/tmp", "shared", "data/d"} {
		if err := os.MkdirAll(filepath.Join(rootfs, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []string{"/secret/below", "/data/hidden/below"} {
		f.Setup.Mounts = append(f.Setup.Mounts, handshake.Mount{Source: t.TempDir(), Destination: at})
	}
	f.Setup.Mounts = append(f.Setup.Mounts, handshake.Mount{Source: shared, Destination: "/shared"})
	withData(t, f)
	return f, shared
}

// TestNothingChangesMounts does all that could make the kernel drop a name on the way to a mount: refusals of every
// kind, loads, clears, entries that expire, caches that are dropped, names that the host changes.
func TestNothingChangesMounts(t *testing.T) {
	f, shared := mountsLike(t)
	f.Run()
	c := f.Client()
	for _, at := range []string{"/data/tmp", "/secret/tmp"} {
		if got := f.App.Do("tmpfs", at); got != "ok" {
			t.Fatal(got)
		}
	}
	if got := f.App.Do("proc", "/data/d"); got != "ok" {
		t.Fatal(got)
	}
	before := f.App.Mounts()
	if n := strings.Count(before, "\n"); n < 7 {
		t.Fatalf("%d mounts\n%s", n, before)
	}
	same := func(after string) {
		t.Helper()
		if now := f.App.Mounts(); now != before {
			t.Fatalf("%s changed the mounts from\n%s to\n%s", after, before, now)
		}
	}
	attempts := [][]string{
		{"read", "/secret/key"}, {"write", "/secret/key", "x"}, {"write", "/secret/new", "x"}, {"mkdir", "/secret/dir"},
		{"mkdir", "/data/hidden/dir"}, {"readdir", "/secret"}, {"readdir", "/data/hidden"}, {"rmdir", "/secret/below"},
		{"rmdir", "/data/hidden/below"}, {"unlink", "/secret/key"}, {"rename", "/secret", "/data/moved"},
		{"rename", "/data/hidden", "/data/moved"}, {"rename", "/data", "/moved"}, {"rename", "/data/x", "/secret/x"},
		{"link", "/secret/key", "/data/key"}, {"link", "/data/x", "/secret/x"}, {"symlink", "/secret", "/secret/link"},
		{"chmod", "/secret"}, {"chmod", "/data/hidden"}, {"chown", "/secret"}, {"utimes", "/secret"}, {"truncate", "/secret/key"},
		{"getxattr", "/secret"}, {"setxattr", "/secret"}, {"removexattr", "/secret"}, {"listxattr", "/data/hidden"},
		{"mkfifo", "/secret/fifo"}, {"mknod", "/data/dev"}, {"tmpfile", "/secret"}, {"exec", "/secret/key"},
		{"readlink", "/secret/link"}, {"exchange", "/secret/below", "/data/d"}, {"readdir", "/secret/below"},
		{"stat", "/secret/below"}, {"stat", "/secret/below/nothing"}, {"stat", "/data/hidden/below"},
	}
	tryAll := func(when string) {
		t.Helper()
		for _, a := range attempts {
			got := f.App.Do(a[0], a[1:]...)
			if a[0] != "stat" && got == "ok" {
				t.Errorf("%s: %v was not refused", when, a)
			}
			same(when + ": " + strings.Join(a, " "))
		}
	}
	tryAll("refusals")
	policies := []string{"application test\n@general\nfile / read\n", mountPolicy, "application test\n@general\nfile /data none\n"}
	for i := range 12 {
		if i%4 == 3 {
			if err := c.Call(t.Context(), "policy.clear", nil, nil); err != nil {
				t.Fatal(err)
			}
			same("a clear")
			f.App.Do("readdir", "/secret")
			f.App.Do("stat", "/secret/below")
			same("a refusal after a clear")
			continue
		}
		if _, err := load(t, c, f.Texts(policies[i%3])); err != nil {
			t.Fatal(err)
		}
		same("a load")
		f.App.Do("readdir", "/data/hidden")
		f.App.Do("stat", "/data/hidden/below")
		same("a refusal after a load")
	}
	if _, err := load(t, c, f.Texts(mountPolicy)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0); err != nil {
		t.Fatal(err)
	}
	tryAll("after caches were dropped")
	time.Sleep(1100 * time.Millisecond) // names in the kernel expire
	rootfs := filepath.Join(f.Bundle, "rootfs")
	for _, do := range []func() error{
		func() error { return os.WriteFile(filepath.Join(rootfs, "secret/hosts"), nil, 0o600) },
		func() error { return os.Chmod(filepath.Join(rootfs, "secret"), 0o700) },
		func() error { return os.WriteFile(filepath.Join(shared, "hosts"), nil, 0o600) },
		func() error {
			return os.Rename(filepath.Join(rootfs, "secret/hosts"), filepath.Join(rootfs, "secret/other"))
		},
		func() error { return os.Remove(filepath.Join(rootfs, "secret/other")) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		f.App.Do("readdir", "/secret")
		f.App.Do("stat", "/secret/below")
		same("the host's change of names")
	}
	tryAll("after entries expired")
}

// TestHostsNamesShow: what the host does in a folder that it shares is seen, content at once, names within a second.
func TestHostsNamesShow(t *testing.T) {
	f, shared := mountsLike(t)
	f.Run()
	file := filepath.Join(shared, "f")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(want string) {
		t.Helper()
		var got string
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if got = f.App.Do("read", "/shared/f"); got == want {
				return
			}
		}
		t.Errorf("2 s later: %q, want %q", got, want)
	}
	shows("ENOENT") // and the kernel knows that there is nothing
	put("made")
	shows("made")
	put("changed")
	if got := f.App.Do("read", "/shared/f"); got != "changed" {
		t.Errorf("content shows late: %q", got)
	}
	if err := os.WriteFile(file+".new", []byte("replaced"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	shows("replaced")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	shows("ENOENT")
	if err := os.Mkdir(file, 0o755); err != nil {
		t.Fatal(err)
	}
	shows("EISDIR")
	if err := unix.Rmdir(file); err != nil {
		t.Fatal(err)
	}
	put("again")
	shows("again")
}
