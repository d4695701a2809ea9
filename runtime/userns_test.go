package runtime_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// hostRoot is whom root of the tests' user namespaces is on the host.
const hostRoot = 100000

// inUserNamespace puts a box into a user namespace of its own, to which the root file system belongs.
func (b *box) inUserNamespace() {
	b.Helper()
	b.spec.Linux.Namespaces = append(b.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	b.spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: hostRoot, Size: 1000}}
	b.spec.Linux.GIDMappings = b.spec.Linux.UIDMappings
	b.must(os.Chmod(filepath.Dir(filepath.Dir(b.dir)), 0o755)) // who is root there has to get to it
	b.must(filepath.WalkDir(filepath.Join(b.dir, "rootfs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "app" { // a link to what all tests use
			return err
		}
		return os.Lchown(path, hostRoot, hostRoot)
	}))
	b.writeSpec()
}

// mappedPolicy has lists of users by name and by number, as the container knows them.
const mappedPolicy = `application test
users root www 34
@general
file / read execute
file /data none
@user root
file /data/root read write
@user www
file /data/www read write
@user 34
file /data/34 read write
`

// What a policy says of users is about those of the container, whoever they are on the host.
func TestPolicyInUserNamespace(t *testing.T) {
	b := guarded(t, "wait")
	b.file("klw.policy", mappedPolicy)
	for _, name := range []string{"root", "www", "34"} {
		b.must(os.Mkdir(filepath.Join(b.dir, "rootfs/data", name), 0o755))
	}
	b.inUserNamespace()
	for _, name := range []string{"root", "www", "34"} {
		b.must(os.Chmod(filepath.Join(b.dir, "rootfs/data", name), 0o777))
	}
	b.create()
	b.ok("start", b.id)
	if ids := b.ok("exec", b.id, "/app", "cat", "/proc/self/uid_map"); strings.Join(strings.Fields(ids), " ") != "0 100000 1000" {
		t.Errorf("ids of the user namespace: %s", ids)
	}
	folders := map[string]string{"0": "root", "33": "www", "34": "34"}
	for uid, own := range folders {
		for _, folder := range folders {
			file := filepath.Join("/data", folder, "of-"+uid)
			r := b.klw("exec", "-u", uid, b.id, "/app", "save", "/app", file)
			if allowed := folder == own; allowed != (r.code == 0) || !allowed && !strings.Contains(r.errOut, "permission denied") {
				t.Errorf("user %s writes %s: exit code %d, %s", uid, file, r.code, r.errOut)
			}
		}
	}
	b.fails(255, "user 35 may not run this application", "exec", "-u", "35", b.id, "/app", "show")
	st, err := os.Stat(filepath.Join(b.dir, "rootfs/data/www/of-33"))
	b.must(err)
	if uid := st.Sys().(*syscall.Stat_t).Uid; uid != hostRoot+33 {
		t.Errorf("what user 33 made belongs to %d of the host, want %d", uid, hostRoot+33)
	}
	if events := b.events(); !strings.Contains(events, `"uid":100033,"containerUid":33,`) || !strings.Contains(events, `"uid":100000,"containerUid":0,`) {
		t.Errorf("events don't tell both ids: %s", events)
	}
}

// What closes FIFOs that no rule gives is an owner whom no user namespace maps.
func TestFIFOInUserNamespace(t *testing.T) {
	b := guarded(t, "owners", "/tmp")
	caps := []string{"CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER"}
	b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Permitted: caps, Effective: caps}
	b.must(unix.Mkfifo(filepath.Join(b.dir, "rootfs/tmp/fifo"), 0o666))
	b.inUserNamespace()
	if r := b.klw("run", b.id); !strings.Contains(r.out, "fifo write permission denied") {
		t.Errorf("root opens a FIFO that no rule lets anybody write: %s%s", r.out, r.errOut)
	}
}

func TestPolicyForUnmappedUser(t *testing.T) {
	b := guarded(t, "exit", "0")
	b.file("klw.policy", mappedPolicy+"@user 5000\nfile /tmp read\n")
	b.inUserNamespace()
	b.fails(1, "klw.policy:12:7: the container has no user 5000: linux.uidMappings don't map it", "run", b.id)
}

// ownersFolder makes files that belong to container users, to root of the host and to somebody whom nobody maps.
func (b *box) ownersFolder() {
	b.Helper()
	dir := filepath.Join(b.dir, "rootfs/data")
	b.must(os.RemoveAll(dir))
	b.must(os.Mkdir(dir, 0o755))
	for _, f := range []struct {
		name  string
		owner int
		mode  os.FileMode
	}{
		{"root", hostRoot, 0o600}, {"user", hostRoot + 33, 0o600}, {"other", hostRoot + 5, 0o604}, {"host", 0, 0o644}, {"host-open", 0, 0o666},
		{"host-closed", 0, 0o600}, {"stranger", 70000, 0o640}, {"set-ids", hostRoot, 0o755 | os.ModeSetuid | os.ModeSetgid},
		{"fifo", hostRoot, 0o600}, {"host-fifo", 0, 0o600},
	} {
		path := filepath.Join(dir, f.name)
		if strings.HasSuffix(f.name, "fifo") {
			b.must(unix.Mkfifo(path, 0o600))
		} else {
			b.must(os.WriteFile(path, []byte("contents"), 0o600))
		}
		b.must(os.Lchown(path, f.owner, f.owner))
		b.must(os.Chmod(path, f.mode))
	}
	b.must(os.Chown(dir, hostRoot, hostRoot+33))
	b.must(os.Chmod(dir, 0o777|os.ModeSetgid))
}

// ownersOnHost lists whom the files belong to, as they lie on the disk.
func (b *box) ownersOnHost() (list string) {
	b.Helper()
	dir := filepath.Join(b.dir, "rootfs/data")
	entries, err := os.ReadDir(dir)
	b.must(err)
	for _, e := range entries {
		st, err := os.Lstat(filepath.Join(dir, e.Name()))
		b.must(err)
		sys := st.Sys().(*syscall.Stat_t)
		list += fmt.Sprintf("on the host: %s %d:%d %v\n", e.Name(), sys.Uid, sys.Gid, st.Mode())
	}
	return list
}

// Whoever owns a file, in or outside of the user namespace: under a policy that allows everything all calls answer as
// without one.
func TestOwnersInUserNamespace(t *testing.T) {
	for _, user := range []uint32{0, 33} {
		t.Run(strconv.Itoa(int(user)), func(t *testing.T) {
			var got [2]string
			for i := range got {
				b := newBox(t, "owners", "/data")
				b.spec.Process.User = specs.User{UID: user, GID: user}
				caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETFCAP", "CAP_MKNOD"}
				b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Permitted: caps, Effective: caps}
				if user != 0 {
					b.spec.Process.Capabilities = nil
				}
				b.inUserNamespace()
				b.ownersFolder()
				if i == 1 {
					b.file("klw.policy", "application test\n@general\nfile / read write execute\n")
				}
				got[i] = b.ok("run", b.id) + b.ownersOnHost()
				if i == 1 && !strings.Contains(b.events(), `"operation":"start"`) {
					t.Error("no guard was there")
				}
			}
			if got[0] != got[1] {
				t.Errorf("without a policy and with one:\n%s", cmp.Diff(strings.Split(got[0], "\n"), strings.Split(got[1], "\n")))
			}
		})
	}
}
