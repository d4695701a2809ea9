package runtime

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/bundle"
	"klw/internal/policy"
)

// confined confines the example bundle under a policy with these lines, after change.
func confined(t *testing.T, rules string, change func(*specs.Spec)) (*specs.Spec, []string, error) {
	t.Helper()
	p, err := policy.Parse("klw.policy", []byte("application x\n"+rules))
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle.Bundle{Dir: t.TempDir(), Spec: bundle.Example(), Policy: &bundle.Policy{Policy: p}}
	b.Rootfs = b.Dir
	if change != nil {
		change(b.Spec)
	}
	var warnings []string
	_, err = confine(b, func(text string) { warnings = append(warnings, text) })
	return b.Spec, warnings, err
}

func options(spec *specs.Spec, destination string) string {
	for _, m := range spec.Mounts {
		if m.Destination == destination {
			return "," + strings.Join(m.Options, ",") + ","
		}
	}
	return ""
}

func TestNothingIsExecutedFromTmpfsWithoutARule(t *testing.T) {
	add := func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"exec"}})
	}
	spec, _, err := confined(t, "@general\nfile / read write execute\n", add)
	if err != nil || !strings.Contains(options(spec, "/tmp"), ",noexec,") || strings.Contains(options(spec, "/tmp"), ",exec,") {
		t.Errorf("rule for / only: %s %v", options(spec, "/tmp"), err)
	}
	spec, _, err = confined(t, "@general\nfile /tmp read write execute\n", add)
	if err != nil || strings.Contains(options(spec, "/tmp"), "noexec") {
		t.Errorf("rule for /tmp: %s %v", options(spec, "/tmp"), err)
	}
}

func TestRulesOnKernelMounts(t *testing.T) {
	for rules, want := range map[string]string{
		"file /dev/shm read":                              "",
		"file /dev/shm read write execute":                "",
		"file /dev/shm none":                              "",
		"file /dev/shm write":                             "klw.policy:3: /dev/shm lies on a tmpfs, which the container has from the kernel: the rule can't be enforced (a mount can be read or not be there)",
		"file /dev/shm/x read":                            "(what is in there comes and goes), expected a rule for the whole of /dev/shm",
		"file /dev read":                                  "",
		"file /dev none":                                  "(it holds what every container has)",
		"file /dev/null read write":                       "",
		"file /dev/null none":                             "",
		"file /dev/null execute":                          "(a device is no program)",
		"file /dev/kvm read write":                        "(the bundle gives no such device), expected one of linux.devices in config.json",
		"file /dev/pts none":                              "(config.json gives the process a terminal)",
		"file /dev/pts read":                              "(a read-only mount lets devices be written)",
		"file /dev/pts/0 none":                            "(what is in there comes and goes)",
		"file /dev/mqueue none":                           "",
		"file /dev/mqueue read":                           "(mq_open passes the mount by)",
		"file /proc read":                                 "",
		"file /proc read write":                           "",
		"file /proc read execute":                         "(nothing there is a program)",
		"file /proc/cpuinfo none":                         "",
		"file /proc/sys/net read":                         "",
		"file /proc/sys/kernel/hostname none":             "",
		"file /proc/sys/net/ipv4 read":                    "(what is that deep comes and goes)",
		"file /proc/self none":                            "(it is each process's own)",
		"file /proc/1/environ none":                       "(it is each process's own)",
		"file /proc/net none":                             "(it is each process's own)",
		"file /proc/cpuinfo read write":                   "(what of it can be written acts on the machine)",
		"file /proc/nothing none":                         "(this kernel has no such entry)",
		"file /proc/kallsyms read":                        "(linux.maskedPaths hides /proc/kallsyms)",
		"file /proc/sys none\nfile /proc/sys/kernel read": "klw.policy:4: /proc/sys/kernel lies on a proc, which the container has from the kernel: the rule can't be enforced (file /proc/sys none (klw.policy:3) closes all that is below)",
		"file /proc none\nfile /proc/cpuinfo read":        "closes all that is below",
		"file /proc read\nfile /proc/cpuinfo none":        "",
		"file /sys none":                                  "",
		"file /sys read write":                            "(it acts on the machine), expected none or read",
		"file /sys/module none":                           "",
		"file /sys/class/net read":                        "(what is that deep comes and goes with devices)",
		"file /sys none\nfile /sys/fs/cgroup read":        "closes all that is below",
		"file /sys/fs/cgroup none":                        "",
		"file /sys/fs/cgroup read write":                  "(who writes there leaves the limits and the rules of the container)",
		"file / read\n@user root\nfile /dev/shm read":     "klw.policy:5: /dev/shm lies on a tmpfs, which the container has from the kernel: the rule can't be enforced (what holds there holds for every user)",
		"file /procession read\nfile /device read write":  "",
	} {
		_, _, err := confined(t, "@general\n"+rules+"\n", nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", rules, err, want)
		}
	}
	spec, _, _ := confined(t, "@general\nfile /dev/shm read\n", nil)
	if !strings.Contains(options(spec, "/dev/shm"), ",ro,") {
		t.Errorf("/dev/shm: %s", options(spec, "/dev/shm"))
	}
}

func TestEveryProcIsClosed(t *testing.T) {
	spec, _, err := confined(t, "", func(s *specs.Spec) {
		s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/x/../other//proc", Type: "proc", Source: "proc"})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, proc := range []string{"/proc", "/other/proc"} {
		if !slices.Contains(spec.Linux.ReadonlyPaths, proc+"/sys") || !slices.Contains(spec.Linux.ReadonlyPaths, proc+"/mtrr") ||
			!slices.Contains(spec.Linux.MaskedPaths, proc+"/kcore") {
			t.Errorf("%s is open: %v %v", proc, spec.Linux.ReadonlyPaths, spec.Linux.MaskedPaths)
		}
	}
}

func TestDevicesUnderAPolicy(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	spec, warnings, err := confined(t, "", func(s *specs.Spec) {
		s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{
			{Allow: false, Access: "rwm"},
			{Allow: true, Access: "rwm"},
			{Allow: true, Type: "b", Major: n(8), Minor: n(0), Access: "r"},
			{Allow: true, Type: "c", Access: "rw"},
			{Allow: true, Type: "c", Major: n(1), Minor: n(1), Access: "r"},
			{Allow: true, Type: "c", Major: n(1), Access: "r"},
			{Allow: true, Type: "c", Access: "m"},
			{Allow: true, Type: "c", Major: n(10), Minor: n(229), Access: "rw"},
		}
	})
	if err != nil || len(spec.Linux.Resources.Devices) != 3 || len(warnings) != 5 {
		t.Errorf("%v\n%v\n%v", spec.Linux.Resources.Devices, warnings, err)
	}
	for _, d := range []specs.LinuxDevice{{Path: "/dev/sda", Type: "b", Major: 8}, {Path: "/dev/mem", Type: "c", Major: 1, Minor: 1}} {
		_, _, err := confined(t, "", func(s *specs.Spec) { s.Linux.Devices = append(s.Linux.Devices, d) })
		if err == nil || !strings.Contains(err.Error(), "linux.devices[0] ("+d.Path+")") {
			t.Errorf("%s: %v", d.Path, err)
		}
	}
}

func TestPseudoFileSystemsAreNotBound(t *testing.T) {
	for source, want := range map[string]string{
		"/proc/sys": "is on a proc", "/sys": "is on a sysfs", "/dev/pts": "is on a devpts",
		"/proc/self/ns/pid": "is on a nsfs", "/dev": "is the host's /dev", "/dev/null": "is neither a file nor a folder",
	} {
		_, _, err := confined(t, "", func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/data", Source: source, Options: []string{"bind"}})
		})
		if err == nil || !strings.Contains(err.Error(), source+" "+want) {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestCapabilitiesBeneathTheGuard(t *testing.T) {
	give := func(s *specs.Spec) {
		caps := []string{"CAP_CHOWN", "CAP_NET_ADMIN", "CAP_BPF"}
		s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Permitted: caps, Effective: caps, Ambient: caps}
	}
	spec, warnings, err := confined(t, "@general\nfile / read\n", give)
	if err != nil {
		t.Fatal(err)
	}
	c := spec.Process.Capabilities
	for _, set := range [][]string{c.Bounding, c.Permitted, c.Effective, c.Inheritable, c.Ambient} {
		if slices.Contains(set, "CAP_NET_ADMIN") || slices.Contains(set, "CAP_BPF") {
			t.Errorf("kept: %v", set)
		}
	}
	if !slices.Contains(c.Bounding, "CAP_CHOWN") {
		t.Errorf("CAP_CHOWN was taken too: %v", c.Bounding)
	}
	if text := strings.Join(warnings, "\n"); !strings.Contains(text, "CAP_NET_ADMIN") || !strings.Contains(text, "CAP_BPF") {
		t.Errorf("warnings: %q", text)
	}
}

func TestTheHostsIPCNamespaceByItsPathIsRefused(t *testing.T) {
	_, _, err := confined(t, "@general\nfile / read\n", func(s *specs.Spec) {
		bundle.Namespace(s, specs.IPCNamespace).Path = "/proc/self/ns/ipc"
	})
	if err == nil || !strings.Contains(err.Error(), "can't share the host's ipc namespace") {
		t.Errorf("got %v", err)
	}
}
