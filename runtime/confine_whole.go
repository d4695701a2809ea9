package runtime

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/policy"
)

const readWrite = policy.Read | policy.Write

// most is what rules for a whole mount may give, by its type, and why not more.
var most = map[string]struct {
	perm policy.Perm
	why  string
}{
	"tmpfs":   {readWrite | policy.Execute, ""},
	"proc":    {readWrite, "nothing there is a program"},
	"devpts":  {readWrite, "nothing there is a program"},
	"mqueue":  {readWrite, "nothing there is a program"},
	"sysfs":   {policy.Read, "it acts on the machine"},
	"cgroup":  {policy.Read, "who writes there leaves the limits and the rules of the container"},
	"cgroup2": {policy.Read, "who writes there leaves the limits and the rules of the container"},
}

// checkWhole refuses a rule for a whole mount that mount options can't hold.
func (c *confinement) checkWhole(k kernelRule) error {
	limit := most[k.mount.Type]
	switch {
	case k.Perm&^limit.perm != 0:
		return c.refused(k.mount, k.FileRule, limit.why, "none or "+limit.perm.String())
	case k.Perm != policy.None && k.Perm&policy.Read == 0:
		return c.refused(k.mount, k.FileRule, "a mount can be read or not be there", "none or one with read")
	case k.mount.Type == "devpts" && k.Perm == policy.Read:
		return c.refused(k.mount, k.FileRule, "a read-only mount lets devices be written", "none or read write")
	case k.mount.Type == "devpts" && k.Perm == policy.None && c.spec.Process.Terminal:
		return c.refused(k.mount, k.FileRule, "config.json gives the process a terminal", "read write")
	case k.mount.Type == "mqueue" && k.Perm == policy.Read:
		return c.refused(k.mount, k.FileRule, "mq_open passes the mount by", "none or read write")
	case k.Perm == policy.None:
		return c.mayHide(k)
	}
	return nil
}

// limitMounts makes the options of mounts what rules for the whole of them say.
func (c *confinement) limitMounts(whole map[string]policy.Perm) {
	for i := range c.spec.Mounts {
		m := &c.spec.Mounts[i]
		if !isKernel(m) {
			continue
		}
		perm := whole[m.Destination]
		if perm&policy.Write == 0 {
			m.Options = withOption(m.Options, "ro", "rw")
		}
		if m.Type == "tmpfs" && perm&policy.Execute == 0 {
			m.Options = withOption(m.Options, "noexec", "exec")
		}
	}
}

// hideMounts puts an empty folder in the place of mounts that nobody may read. What the kernel mounts below goes too.
func (c *confinement) hideMounts(whole map[string]policy.Perm) {
	var hidden []string
	for i := range c.spec.Mounts {
		m := &c.spec.Mounts[i]
		if !isKernel(m) || whole[m.Destination] != policy.None {
			continue
		}
		hidden = append(hidden, m.Destination)
		*m = specs.Mount{Destination: m.Destination, Type: "tmpfs", Source: "tmpfs",
			Options: []string{"ro", "nosuid", "nodev", "noexec", "mode=0555", "size=4k", "nr_inodes=1"}}
	}
	c.spec.Mounts = slices.DeleteFunc(c.spec.Mounts, func(m specs.Mount) bool { return inside(hidden, m.Destination) })
	gone := func(path string) bool { return inside(hidden, path) }
	c.spec.Linux.MaskedPaths = slices.DeleteFunc(c.spec.Linux.MaskedPaths, gone)
	c.spec.Linux.ReadonlyPaths = slices.DeleteFunc(c.spec.Linux.ReadonlyPaths, gone)
	c.sure = slices.DeleteFunc(c.sure, gone)
}

// mayHide refuses to hide what something else needs to be mounted on.
func (c *confinement) mayHide(k kernelRule) error {
	if k.Path == "/dev" {
		return c.refused(k.mount, k.FileRule, "it holds what every container has", "read, and none for each device that is not to be there")
	}
	for i := range c.spec.Mounts {
		if m := &c.spec.Mounts[i]; inside([]string{k.Path}, m.Destination) && !isKernel(m) {
			return c.refused(k.mount, k.FileRule, "config.json mounts "+m.Destination+" below it", "read")
		}
	}
	return nil
}

// inside tells whether a path is below one of the folders.
func inside(folders []string, path string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return path != f && below(path, f) })
}
