package launch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func (b *box) file(name, text string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func TestMounts(t *testing.T) {
	b := newBox(t, "cat:/data/f", "write:/data/f", "cat:/made/deep/file", "touch:/tmp/x", "ls:/up", "stat:/up/s",
		"mount:/data", "mount:/sys", "ls:/dev/mqueue", "mount:/made/deep/file", "touch:/dev/shm/x", "mount:/tree/sub")
	f := b.file("data/f", "hello")
	b.file("rootfs/up/f", "below")
	if err := os.Symlink("f", b.root("up/s")); err != nil {
		t.Fatal(err)
	}
	b.file("tree/sub/f", "x")
	sub := filepath.Join(b.dir, "tree/sub")
	if err := unix.Mount("tmpfs", sub, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(sub, 0); err != nil {
			t.Error(err)
		}
	})
	b.mount(specs.Mount{Destination: "/data", Type: "bind", Source: filepath.Dir(f), Options: []string{"bind", "ro", "nosuid", "nodev", "noexec", "noatime"}})
	b.mount(specs.Mount{Destination: "/made/deep/file", Source: "data/f", Options: []string{"rbind", "rprivate"}})
	b.mount(specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=1m", "ro"}})
	b.mount(specs.Mount{Destination: "/up", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}})
	b.mount(specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}})
	b.mount(specs.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid"}})
	b.mount(specs.Mount{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"mode=1777", "size=65536k"}})
	b.mount(specs.Mount{Destination: "/tree", Type: "none", Source: filepath.Join(b.dir, "tree"), Options: []string{"rbind", "rro", "rnosuid", "rslave"}})
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"hello", "error: open /data/f: read-only file system", "hello", "error: open /tmp/x: read-only file system",
		"f s", "120777 0:0 0 0", "ro,nosuid,nodev,noexec,noatime", "ro,nosuid,nodev,noexec,relatime", "", "rw,relatime", "made", "ro,nosuid,relatime"}
	for n := range want {
		if !strings.HasPrefix(got[n], want[n]) || want[n] == "" && got[n] != "" {
			t.Errorf("probe %s: got %q, expected %q", b.spec.Process.Args[n+1], got[n], want[n])
		}
	}
}

// TestDestinationStaysInside: links in the root file system lead nowhere but into it.
func TestDestinationStaysInside(t *testing.T) {
	outside := t.TempDir()
	b := newBox(t, "cat:/abs/f", "cat:/rel/f", "cat:/dangling", "ls:/gone/x", "ls:"+outside)
	for name, to := range map[string]string{
		"abs": outside, "rel": "../../../../../../.." + outside, "dangling": "../run/not/there", "gone": outside + "-gone/deep",
	} {
		if err := os.Symlink(to, b.root(name)); err != nil {
			t.Fatal(err)
		}
	}
	b.file("data/f", "data")
	data := filepath.Join(b.dir, "data")
	for _, d := range []string{"/abs", "/rel"} {
		b.mount(specs.Mount{Destination: d, Source: data, Options: []string{"bind"}})
	}
	b.mount(specs.Mount{Destination: "/dangling", Source: filepath.Join(data, "f"), Options: []string{"bind"}})
	b.mount(specs.Mount{Destination: "/gone/x", Type: "tmpfs", Source: "tmpfs"})
	b.expect("data", "data", "data", "", "f")
	if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
		t.Errorf("outside the root there is now %v (%v)", left, err)
	}
}

func TestMountRefused(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*box)
		mount   specs.Mount
		want    string
	}{
		"over proc":         {nil, specs.Mount{Destination: "/proc/sys", Type: "tmpfs", Source: "tmpfs"}, "inside /proc"},
		"proc by dots":      {nil, specs.Mount{Destination: "/tmp/../proc/sys", Type: "tmpfs", Source: "tmpfs"}, "inside /proc"},
		"tmpfs on proc":     {nil, specs.Mount{Destination: "/proc", Type: "tmpfs", Source: "tmpfs"}, "inside /proc"},
		"by a link":         {func(b *box) { os.Symlink("/proc/1", b.root("l")) }, specs.Mount{Destination: "/l/attr", Type: "tmpfs", Source: "tmpfs"}, "inside /proc"},
		"sysfs on link":     {func(b *box) { os.Remove(b.root("sys")); os.Symlink("tmp", b.root("sys")) }, specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs"}, "no link"},
		"magic link":        {nil, specs.Mount{Destination: "/proc/self/root/x", Type: "tmpfs", Source: "tmpfs"}, "too many levels"},
		"missing source":    {nil, specs.Mount{Destination: "/x", Source: "/not/there", Options: []string{"bind"}}, "mounting /not/there on /x: no such file or directory"},
		"unknown type":      {nil, specs.Mount{Destination: "/x", Type: "nofs", Source: "nofs"}, `mounting nofs on /x: file system type "nofs": no such device`},
		"unknown option":    {nil, specs.Mount{Destination: "/x", Type: "tmpfs", Source: "tmpfs", Options: []string{"blah"}}, `option "blah"`},
		"directory on file": {nil, specs.Mount{Destination: "/probe", Type: "tmpfs", Source: "tmpfs"}, "mounting tmpfs on /probe: not a directory"},
	} {
		b := newBox(t)
		if c.prepare != nil {
			c.prepare(b)
		}
		b.mount(c.mount)
		if got, err := b.run(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v; expected an error with %q", name, got, err, c.want)
		}
	}
}

func TestOverProcAllowed(t *testing.T) {
	b := newBox(t, "cat:/proc/uptime")
	b.mount(specs.Mount{Destination: "/proc/uptime", Source: b.file("up", "1 2"), Options: []string{"bind", "ro"}})
	b.expect("1 2")
}

func TestMaskedAndReadonly(t *testing.T) {
	b := newBox(t, "cat:/proc/timer_list", "ls:/etc/secret", "write:/proc/sys/kernel/hostname", "stat:/proc/timer_list", "touch:/etc/x", "touch:/tmp/x", "mount:/proc/sys")
	b.file("rootfs/etc/secret/f", "secret")
	b.spec.Root.Readonly = true
	b.mount(specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"})
	b.spec.Linux.MaskedPaths = []string{"/proc/timer_list", "/etc/secret", "/proc/none"}
	b.spec.Linux.ReadonlyPaths = []string{"/proc/sys", "/nothing"}
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"", "", "error: open /proc/sys/kernel/hostname: read-only file system", "20666 1:3 0 0",
		"error: open /etc/x: read-only file system", "made", "ro,nosuid,nodev,noexec"} {
		if !strings.HasPrefix(got[n], want) || want == "" && got[n] != "" {
			t.Errorf("probe %s: got %q, expected %q", b.spec.Process.Args[n+1], got[n], want)
		}
	}
}

func TestDevices(t *testing.T) {
	mode := os.FileMode(0o640)
	gid := uint32(7)
	b := newBox(t, "stat:/dev/null", "stat:/dev/tty", "stat:/dev/mine/loop", "readlink:/dev/fd", "readlink:/dev/stderr", "readlink:/dev/ptmx", "write:/dev/full")
	b.spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/mine/loop", Type: "c", Major: 10, Minor: 237, FileMode: &mode, GID: &gid}}
	b.expect("20666 1:3 0 0", "20666 5:0 0 0", "20640 10:237 0 7", "/proc/self/fd", "/proc/self/fd/2", "pts/ptmx",
		"error: write /dev/full: no space left on device")
}

// TestImageDevices: a root file system may bring nodes along, but only the right ones.
func TestImageDevices(t *testing.T) {
	b := newBox(t, "stat:/dev/null")
	b.spec.Mounts = b.spec.Mounts[:1]
	if err := unix.Mknod(b.root("dev/null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	b.expect("20600 1:3 0 0")
	for name, mode := range map[string]uint32{"a file": unix.S_IFREG, "another device": unix.S_IFCHR, "a block device": unix.S_IFBLK} {
		b := newBox(t, "pid")
		b.spec.Mounts = b.spec.Mounts[:1]
		minor := uint32(3)
		if mode == unix.S_IFCHR {
			minor = 5
		}
		if err := unix.Mknod(b.root("dev/null"), mode|0o666, int(unix.Mkdev(1, minor))); err != nil {
			t.Fatal(err)
		}
		if _, err := b.run(); err == nil || !strings.Contains(err.Error(), "something else") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIDMapped(t *testing.T) {
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 5000, Size: 10}}
	b := newBox(t, "stat:/one/f", "stat:/two/f", "stat:/plain/f", "touch:/one/new")
	f := b.file("data/f", "x")
	if err := os.Chown(f, 3, 4); err != nil {
		t.Fatal(err)
	}
	data := filepath.Dir(f)
	b.mount(specs.Mount{Destination: "/one", Source: data, Options: []string{"bind", "idmap"}, UIDMappings: ids, GIDMappings: ids})
	b.mount(specs.Mount{Destination: "/two", Source: data, Options: []string{"rbind", "ridmap", "ro"}, UIDMappings: ids, GIDMappings: ids})
	b.mount(specs.Mount{Destination: "/plain", Source: data, Options: []string{"bind"}})
	b.spec.Process.User = specs.User{UID: 5000, GID: 5000}
	if err := os.Chmod(data, 0o777); err != nil {
		t.Fatal(err)
	}
	b.expect("100644 0:0 5003 5004", "100644 0:0 5003 5004", "100644 0:0 3 4", "made")
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(data, "new"), &st); err != nil || st.Uid != 0 {
		t.Errorf("the container's 5000 made a file of %d (%v), expected 0", st.Uid, err)
	}
}

// TestUserNamespaceSource: what the container's root may not reach on the host can be bound all the same.
func TestUserNamespaceSource(t *testing.T) {
	b := newBox(t, "cat:/data/f", "cat:/mapped/f", "stat:/mapped/f")
	f := b.file("secret/f", "reached")
	if err := os.Chmod(filepath.Dir(f), 0o700); err != nil {
		t.Fatal(err)
	}
	b.ownUser()
	b.mount(specs.Mount{Destination: "/data/f", Source: f, Options: []string{"bind"}})
	b.mount(specs.Mount{Destination: "/mapped", Source: filepath.Dir(f), Options: []string{"rbind", "idmap"}})
	b.expect("reached", "reached", "100644 0:0 0 0")
}

func TestCgroupMount(t *testing.T) {
	for _, own := range []bool{true, false} {
		b := newBox(t, "cat:/proc/self/cgroup", "ls:/sys/fs/cgroup", "mount:/sys/fs/cgroup", "touch:/sys/fs/cgroup/x")
		b.mount(specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"ro"}})
		b.mount(specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "ro"}})
		if own {
			b.namespace(specs.CgroupNamespace, "")
		}
		got, err := b.run()
		if err != nil {
			t.Fatal(err)
		}
		n := len(got)
		if !strings.Contains(got[n-1], "read-only") || !strings.HasPrefix(got[n-2], "ro,nosuid") || got[n-3] == "" {
			t.Errorf("cgroup namespace %v: %q", own, got[n-3:])
		}
	}
}

// TestCgroupV2Mount shows the v2 tree: with a namespace of its own the container sees only its part.
func TestCgroupV2Mount(t *testing.T) {
	b := newBox(t, "cat:/cg/cgroup.procs", "mount:/cg")
	if err := os.Mkdir(b.root("cg"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.namespace(specs.CgroupNamespace, "")
	b.mount(specs.Mount{Destination: "/cg", Type: "cgroup2", Source: "cgroup", Options: []string{"ro"}})
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got); !strings.Contains(got[n-1], "cgroup2") || !strings.HasPrefix(got[n-1], "ro") {
		t.Errorf("got %q", got)
	}
}

func TestNoPivot(t *testing.T) {
	b := newBox(t, "ls:/", "mount:/proc")
	b.config.NoPivot = true
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != "dev etc probe proc sys tmp" || !strings.HasPrefix(got[1], "rw,nosuid") {
		t.Errorf("got %q", got)
	}
}

func TestUmask(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	b := newBox(t, "stat:/made", "stat:/dev/null")
	if err := os.Chmod(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b.mount(specs.Mount{Destination: "/made/by", Type: "tmpfs", Source: "tmpfs"})
	b.expect("40755 0:0 0 0", "20666 1:3 0 0")
}
