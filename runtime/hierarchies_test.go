package runtime_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// inHierarchies runs klw-runc where /sys/fs/cgroup looks as it does on another kind of host: setup is a shell command
// in a mount namespace of its own.
func (b *box) inHierarchies(setup string, args ...string) result {
	b.Helper()
	cmd := b.command(args...)
	cmd.Args = append([]string{"unshare", "-m", "--propagation", "private", "sh", "-c", setup + ` && exec "$0" "$@"`}, cmd.Args...)
	cmd.Path = "/usr/bin/unshare"
	return b.finish(cmd)
}

const (
	pureV2 = "mount -t cgroup2 none /sys/fs/cgroup"
	pureV1 = "umount /sys/fs/cgroup/unified && mount -t tmpfs none /sys/fs/cgroup/unified"
)

func TestHierarchies(t *testing.T) {
	caps := []string{"CAP_MKNOD"}
	for name, setup := range map[string]string{"v2": pureV2, "v1": pureV1} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, "mkdev", "c", "1", "5")
			b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps}
			b.writeSpec()
			if r := b.inHierarchies(setup, "run", b.id); r.code != 0 {
				t.Errorf("exit code %d, %s", r.code, r.errOut)
			}
			b.spec.Process.Args = []string{"/app", "mkdev", "c", "10", "229"}
			b.writeSpec()
			if r := b.inHierarchies(setup, "run", b.id); r.code != 1 || !strings.Contains(r.errOut, "operation not permitted") {
				t.Errorf("a device that is on no list: exit code %d, %s", r.code, r.errOut)
			}
			b.spec.Process.Args = []string{"/app", "wait"}
			b.writeSpec()
			for _, step := range [][]string{{"create", b.id}, {"start", b.id}, {"exec", b.id, "/app", "exit", "0"}, {"delete", "-f", b.id}} {
				if r := b.inHierarchies(setup, step...); r.code != 0 {
					t.Errorf("%v: exit code %d, %s", step, r.code, r.errOut)
				}
			}
			if left := b.leftovers(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestPolicyNeedsV2(t *testing.T) {
	b := guarded(t, "cat", "/app")
	if r := b.inHierarchies(pureV2, "run", b.id); r.code != 0 {
		t.Errorf("with v2 alone: exit code %d, %s", r.code, r.errOut)
	}
	r := b.inHierarchies(pureV1, "run", b.id)
	if r.code != 1 || !strings.Contains(r.errOut, "no cgroup v2") || strings.Count(r.errOut, "\n") != 1 {
		t.Errorf("without v2: exit code %d, %s", r.code, r.errOut)
	}
	if left := b.leftovers(); left != nil {
		t.Errorf("left: %v", left)
	}
}
