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
	for _, c := range []struct {
		rules, err string
		masked     string
		readonly   string
	}{
		{rules: "@general\nfile /proc/net none\n", masked: "/proc/net"},
		{rules: "@general\nfile /proc read\n", readonly: "/proc"},
		{rules: "@general\nfile /sys/class read\n", readonly: "/sys/class"},
		{rules: "@general\nfile /dev/null read write\n"},
		{rules: "@general\nfile /dev/shm read\n"},
		{rules: "@general\nfile /dev/null none\n", err: `klw.policy:3: "none" can't be enforced for /dev/null, which lies on a tmpfs`},
		{rules: "@general\nfile /dev/urandom read\n", err: `klw.policy:3: "read" can't be enforced for /dev/urandom`},
		{rules: "@general\nfile /dev/shm none\n", err: `klw.policy:3: "none" can't be enforced for /dev/shm`},
		{rules: "@general\nfile / read\n@user root\nfile /proc/kcore read\n", err: "klw.policy:5: a user's own rule can't be enforced on /proc, which is a proc"},
	} {
		spec, _, err := confined(t, c.rules, nil)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, want %s", c.rules, err, c.err)
			}
		case err != nil:
			t.Errorf("%q: %v", c.rules, err)
		case c.masked != "" && !slices.Contains(spec.Linux.MaskedPaths, c.masked):
			t.Errorf("%q: %s is not masked", c.rules, c.masked)
		case c.readonly != "" && !slices.Contains(spec.Linux.ReadonlyPaths, c.readonly):
			t.Errorf("%q: %s is not read-only", c.rules, c.readonly)
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
		if !slices.Contains(spec.Linux.ReadonlyPaths, proc+"/sys") || !slices.Contains(spec.Linux.MaskedPaths, proc+"/kcore") {
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
	for source, kind := range map[string]string{"/proc/sys": "proc", "/sys": "sysfs"} {
		_, _, err := confined(t, "", func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/data", Source: source, Options: []string{"bind"}})
		})
		if err == nil || !strings.Contains(err.Error(), source+" is on a "+kind) {
			t.Errorf("%s: %v", source, err)
		}
	}
}
