package runtime_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func ptr[T any](v T) *T { return &v }

// limit gives the limit's file by the kind of hierarchy that holds the controller here.
func (b *box) limit(controller, v1, v2 string) string {
	b.Helper()
	var path string
	if cgroups.IsCgroup2UnifiedMode() {
		path = filepath.Join(b.cgroup(""), v2)
	} else {
		path = filepath.Join(b.cgroup(controller), v1)
	}
	text, err := os.ReadFile(path)
	b.must(err)
	return strings.TrimSpace(string(text))
}

func TestLimitsAreSetBeforeStart(t *testing.T) {
	b := newBox(t, "wait")
	b.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: ptr(int64(64 << 20))}
	b.spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: ptr(int64(77))}
	b.spec.Linux.Resources.CPU = &specs.LinuxCPU{Quota: ptr(int64(50000)), Period: ptr(uint64(100000))}
	b.create()
	if got := b.limit("memory", "memory.limit_in_bytes", "memory.max"); got != "67108864" {
		t.Errorf("memory: %s", got)
	}
	if got := b.limit("pids", "pids.max", "pids.max"); got != "77" {
		t.Errorf("pids: %s", got)
	}
	if got := b.limit("cpu", "cpu.cfs_quota_us", "cpu.max"); got != "50000" && got != "50000 100000" {
		t.Errorf("cpu: %s", got)
	}
}

func TestPidsLimitHolds(t *testing.T) {
	b := newBox(t, "brood", "50")
	b.spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: ptr(int64(12))}
	b.writeSpec()
	if r := b.klw("run", b.id); r.code == 0 || r.code == 3 {
		t.Errorf("50 processes ran under a limit of 12: exit code %d", r.code)
	}
}

func TestMemoryLimitHolds(t *testing.T) {
	b := newBox(t, "alloc", "100")
	b.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: ptr(int64(48 << 20)), Swap: ptr(int64(48 << 20))}
	b.writeSpec()
	if r := b.klw("run", b.id); r.code != 137 {
		t.Errorf("100 MiB under a limit of 48: exit code %d %s%s", r.code, r.out, r.errOut)
	}
	b.spec.Process.Args[2] = "10"
	b.writeSpec()
	if r := b.klw("run", b.id); r.code != 0 || r.out != "touched 10\n" {
		t.Errorf("10 MiB: exit code %d %s", r.code, r.errOut)
	}
}

func TestDeviceRules(t *testing.T) {
	caps := []string{"CAP_MKNOD"}
	for _, c := range []struct {
		name string
		node []string
		rule *specs.LinuxDeviceCgroup
		code int
	}{
		{"null is on the default list", []string{"c", "1", "3"}, nil, 0},
		{"fuse isn't", []string{"c", "10", "229"}, nil, 1},
		{"fuse by the bundle's rule", []string{"c", "10", "229"}, &specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: ptr(int64(10)), Minor: ptr(int64(229)), Access: "rw"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBox(t, append([]string{"mkdev"}, c.node...)...)
			b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps}
			if c.rule != nil {
				b.spec.Linux.Resources.Devices = append(b.spec.Linux.Resources.Devices, *c.rule)
			}
			b.writeSpec()
			r := b.klw("run", b.id)
			if r.code != c.code || strings.Contains(r.errOut, "mknod") {
				t.Errorf("exit code %d, want %d; %s", r.code, c.code, r.errOut)
			}
		})
	}
}

func TestCgroupsPath(t *testing.T) {
	b := newBox(t, "wait")
	b.spec.Linux.CgroupsPath = "/klw/outer-" + b.id + "/" + b.id
	b.create()
	pid := b.state().Pid
	groups := look(b, strconv.Itoa(pid), "cgroup")
	for line := range strings.Lines(groups) {
		if !strings.HasSuffix(strings.TrimSpace(line), b.spec.Linux.CgroupsPath) {
			t.Errorf("process is in %s", line)
		}
	}
	b.ok("delete", "-f", b.id)
	paths, _ := filepath.Glob("/sys/fs/cgroup/*/klw/outer-" + b.id)
	for _, p := range append(paths, "/sys/fs/cgroup/klw/outer-"+b.id) {
		os.Remove(p) // what was named for us to be in is not ours to remove
	}
}

// The cgroup of another container is not taken over.
func TestCgroupInUse(t *testing.T) {
	a := running(t, nil)
	b := newBox(t, "exit", "0")
	b.spec.Linux.CgroupsPath = "/klw/" + a.id
	b.writeSpec()
	b.fails(1, "it holds 1 processes", "run", b.id)
	if r := a.klw("exec", a.id, "/app", "exit", "0"); r.code != 0 {
		t.Errorf("the other container suffered: %s", r.errOut)
	}
}
