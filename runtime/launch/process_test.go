package launch_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/internal/nofile"
)

func TestIdentity(t *testing.T) {
	b := newBox(t, "ids", "umask", "status:CapInh", "status:CapPrm", "status:CapEff", "status:CapBnd", "status:CapAmb",
		"status:NoNewPrivs", "env:HOME", "cat:/proc/self/oom_score_adj", "hostname", "cat:/proc/sys/kernel/domainname",
		"cat:/proc/sys/net/ipv4/ip_unprivileged_port_start", "cat:/proc/sys/kernel/shmmni")
	b.file("rootfs/etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:7:8::/home/app:/bin/sh\n")
	umask, adj := uint32(0o027), 17
	b.spec.Linux.Namespaces = append(b.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
	b.spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "77", "kernel/shmmni": "4000"}
	b.spec.Domainname = "example.org"
	p := b.spec.Process
	p.User = specs.User{UID: 7, GID: 8, AdditionalGids: []uint32{9, 10}, Umask: &umask}
	p.OOMScoreAdj = &adj
	p.NoNewPrivileges = true
	p.Capabilities = &specs.LinuxCapabilities{
		Bounding: []string{"CAP_KILL", "CAP_CHOWN", "CAP_NOT_KNOWN"}, Permitted: []string{"CAP_KILL", "CAP_CHOWN"},
		Effective: []string{"CAP_KILL"}, Inheritable: []string{"CAP_KILL"}, Ambient: []string{"CAP_KILL"},
	}
	var warnings []string
	b.opt.Warn = func(w string) { warnings = append(warnings, w) }
	// Ambient capabilities survive execve of an unprivileged user, others don't; they become permitted and effective.
	const kill, both = "0000000000000020", "0000000000000021"
	b.expect("7 8 [9 10]", "027", kill, kill, kill, both, kill, "1", "/home/app", "17", "box", "example.org", "77", "4000")
	if len(warnings) != 1 || !strings.Contains(warnings[0], "CAP_NOT_KNOWN") {
		t.Errorf("warnings: %q, expected one about CAP_NOT_KNOWN", warnings)
	}
}

func TestEnvironment(t *testing.T) {
	b := newBox(t, "cat:/proc/self/environ")
	b.spec.Process.Env = []string{"A=1", "HOME=", "PATH=/x", "A=2", "PATH=/"}
	b.expect("A=2\x00HOME=/\x00PATH=/\x00")
}

func TestRootCapabilities(t *testing.T) {
	b := newBox(t, "status:CapPrm", "status:CapEff", "status:CapBnd")
	caps := []string{"CAP_CHOWN", "CAP_NET_BIND_SERVICE"}
	b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Permitted: caps, Effective: caps}
	b.expect("0000000000000401", "0000000000000401", "0000000000000401")
}

func TestLimits(t *testing.T) {
	ours := fmt.Sprint(nofile.Cur, " ", nofile.Max)
	newBox(t, "rlimit").expect(ours)
	b := newBox(t, "rlimit")
	b.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}, {Type: "RLIMIT_CORE", Soft: 0, Hard: 0}}
	b.expect("100 200")
	i := newBox(t)
	init := i.stay()
	e := i.inside(init, "rlimit")
	e.spec.Process.Rlimits = b.spec.Process.Rlimits
	e.expect("100 200")
	i.inside(init, "rlimit").expect(ours)

	b = newBox(t, "pid")
	b.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_BOGUS"}}
	if _, err := b.run(); err == nil || !strings.Contains(err.Error(), "RLIMIT_BOGUS") {
		t.Errorf("unknown limit: %v", err)
	}
}

func TestDescriptors(t *testing.T) {
	secret, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	// As a careless parent would leave it.
	if _, err := unix.FcntlInt(secret.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	b := newBox(t, "fds")
	b.expect("0 1 2")
	e := b.inside(newBox(t).stay(), "fds")
	e.expect("0 1 2")
}

func TestPersonalityAndScheduler(t *testing.T) {
	b := newBox(t, "cat:/proc/self/personality", "cat:/proc/self/sched")
	b.spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
	b.spec.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 3}
	b.spec.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE}
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != "00000008" {
		t.Errorf("personality %s", got[0])
	}
	if !slices.ContainsFunc(got, func(l string) bool {
		return strings.HasPrefix(l, "policy") && strings.HasSuffix(l, " "+fmt.Sprint(unix.SCHED_BATCH))
	}) {
		t.Errorf("no batch policy in %q", got)
	}
}

func TestLabelsRefused(t *testing.T) {
	b := newBox(t, "pid")
	b.spec.Process.ApparmorProfile = "some"
	if _, err := b.run(); err == nil || !strings.Contains(err.Error(), "AppArmor") {
		t.Errorf("apparmor: %v", err)
	}
	b = newBox(t, "pid")
	b.spec.Process.SelinuxLabel = "some"
	if _, err := b.run(); err == nil || !strings.Contains(err.Error(), "SELinux") {
		t.Errorf("selinux: %v", err)
	}
}

func TestExecAffinity(t *testing.T) {
	b := newBox(t)
	i := b.stay()
	e := b.inside(i, "status:Cpus_allowed_list")
	e.spec.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0-1", Final: "0"}
	e.expect("0")
	for list, want := range map[string]string{"x": "no list of processors", "1-0": "no list", "900": "invalid argument"} {
		e = b.inside(i, "pid")
		e.spec.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: list}
		if _, err := e.run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("initial %s: %v, expected %q", list, err, want)
		}
		e.spec.Process.ExecCPUAffinity = &specs.CPUAffinity{Final: list}
		if _, err := e.run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("final %s: %v, expected %q", list, err, want)
		}
	}
}

// TestUndumpable: a fork of ours that is in a container's namespaces for an instant can't be traced by its user.
func TestUndumpable(t *testing.T) {
	newBox(t, "pid").expect("1")
	if on, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || on != 0 {
		t.Errorf("dumpable is %d after Start, %v", on, err)
	}
}
