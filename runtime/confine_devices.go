package runtime

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/internal/policy"
	"klw/runtime/launch"
)

// memoryMajor is the major number of the memory devices, of which mem, kmem and port reach the whole machine.
const memoryMajor = 1

var memoryMinors = map[int64]string{1: "mem", 2: "kmem", 4: "port"}

// confineDevices takes away what reaches files past the views: disks, the machine's memory, and rules that say "all
// devices". What is left of the bundle's rules is what names a character device. It gives what was taken.
func confineDevices(l *specs.Linux) (taken []string, err error) {
	for i, d := range l.Devices {
		if d.Type == "b" || d.Type == "c" && d.Major == memoryMajor && memoryMinors[d.Minor] != "" {
			return nil, fmt.Errorf("linux.devices[%d] (%s): under a policy a container gets no disk and no memory of the machine", i, d.Path)
		}
	}
	if l.Resources == nil {
		return nil, nil
	}
	var kept []specs.LinuxDeviceCgroup
	for i, d := range l.Resources.Devices {
		if d.Allow && reachesAll(d) {
			taken = append(taken, fmt.Sprintf("linux.resources.devices[%d] is not granted under the policy: only rules for one kind of character device are", i))
			continue
		}
		kept = append(kept, d)
	}
	l.Resources.Devices = kept
	return taken, nil
}

// device finds a device that the container gets.
func (c *confinement) device(name string) (specs.LinuxDevice, bool) {
	for _, d := range slices.Concat(c.spec.Linux.Devices, launch.DefaultDevices) {
		if path.Clean("/"+d.Path) == name && (d.Type == "c" || d.Type == "u") {
			return d, true
		}
	}
	return specs.LinuxDevice{}, false
}

// limitDevice takes from a device what a rule doesn't give, by its number: whatever node leads to it.
func (c *confinement) limitDevice(k kernelRule, d specs.LinuxDevice) error {
	if k.Perm&policy.Execute != 0 {
		return c.refused(k.mount, k.FileRule, "a device is no program", "none, read, write or read write")
	}
	access := ""
	if k.Perm&policy.Read == 0 {
		access = "r"
	}
	if k.Perm&policy.Write == 0 {
		access += "w"
	}
	if access == "" {
		return nil
	}
	if k.Perm == policy.None {
		c.noDevices = append(c.noDevices, k.Path)
	}
	if r := c.spec.Linux.Resources; r != nil {
		for i, rule := range r.Devices {
			if rule.Allow && strings.ContainsAny(orAll(rule.Access), access) && rule.Major != nil && *rule.Major == d.Major && (rule.Minor == nil || *rule.Minor < 0) {
				return c.refused(k.mount, k.FileRule, fmt.Sprintf("linux.resources.devices[%d] allows all devices of its kind, and the kernel takes no exceptions from that", i), "a rule of config.json for each device")
			}
		}
	}
	c.denied = append(c.denied, specs.LinuxDeviceCgroup{Type: "c", Major: &d.Major, Minor: &d.Minor, Access: access})
	return nil
}

func orAll(access string) string {
	if access == "" {
		return "rwm"
	}
	return access
}

func reachesAll(d specs.LinuxDeviceCgroup) bool {
	if strings.Trim(d.Access, "m") == "" && d.Access != "" {
		return false // making a node gives no access to the device
	}
	if d.Type != "c" || d.Major == nil || *d.Major < 0 {
		return true
	}
	return *d.Major == memoryMajor && (d.Minor == nil || *d.Minor < 0 || memoryMinors[*d.Minor] != "")
}

// pseudo are the file systems whose files mean something else to each process that opens them, or act on the machine: a
// view of them would act with the guard's eyes and rights.
var pseudo = map[int64]string{
	unix.PROC_SUPER_MAGIC: "proc", unix.SYSFS_MAGIC: "sysfs", unix.CGROUP_SUPER_MAGIC: "cgroup", unix.CGROUP2_SUPER_MAGIC: "cgroup2",
	unix.DEBUGFS_MAGIC: "debugfs", unix.TRACEFS_MAGIC: "tracefs", unix.BPF_FS_MAGIC: "bpf", unix.SECURITYFS_MAGIC: "securityfs",
	unix.DEVPTS_SUPER_MAGIC: "devpts", unix.NSFS_MAGIC: "nsfs", unix.EFIVARFS_MAGIC: "efivarfs", unix.SELINUX_MAGIC: "selinuxfs",
	unix.BINFMTFS_MAGIC: "binfmt_misc",
}

func checkSource(source string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(source, &st); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if kind := pseudo[st.Type]; kind != "" {
		return fmt.Errorf("%s is on a %s: under a policy it can't be bound, mount a %s of the container's own", source, kind, kind)
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a folder: under a policy a device belongs into linux.devices, and sockets and FIFOs of the host can't be bound", source)
	}
	if holdsDevices(source) {
		return fmt.Errorf("%s is the host's /dev: under a policy it can't be bound, mount a tmpfs there and name devices in linux.devices", source)
	}
	return nil
}

// holdsDevices tells whether a folder is on the file system of the host's devices, which looks like a tmpfs otherwise.
func holdsDevices(source string) bool {
	var at, dev, root unix.Stat_t
	if unix.Stat(source, &at) != nil || unix.Stat("/dev", &dev) != nil || unix.Stat("/", &root) != nil {
		return true
	}
	return at.Dev == dev.Dev && dev.Dev != root.Dev
}
