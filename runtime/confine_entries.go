package runtime

import (
	"os"
	"path"
	"slices"
	"strings"

	"klw/internal/policy"
)

// perProcess are the names in proc that lead each process elsewhere.
var perProcess = []string{"self", "thread-self", "net", "mounts"}

// entry hides or write-protects an entry of proc or sysfs that is always there and the same for every process, on every
// mount of the kind.
func (c *confinement) entry(k kernelRule) error {
	rest := strings.TrimPrefix(k.Path, strings.TrimSuffix(k.mount.Destination, "/")+"/")
	if why, expected := c.entryHolds(k, rest); why != "" {
		return c.refused(k.mount, k.FileRule, why, expected)
	}
	for i := range c.spec.Mounts {
		m := &c.spec.Mounts[i]
		if m.Type != k.mount.Type || !isKernel(m) {
			continue
		}
		at := path.Join(m.Destination, rest)
		c.sure = append(c.sure, at)
		list := &c.spec.Linux.ReadonlyPaths
		if k.Perm == policy.None {
			list = &c.spec.Linux.MaskedPaths
		}
		if !slices.Contains(*list, at) {
			*list = append(*list, at)
		}
	}
	return nil
}

// entryHolds says why a rule for an entry can't be enforced; "" if it can.
func (c *confinement) entryHolds(k kernelRule, rest string) (why, expected string) {
	parts := strings.Split(rest, "/")
	proc := k.mount.Type == "proc"
	const whole = "an entry such as /proc/cpuinfo or /proc/sys/kernel, or a rule for the whole"
	switch {
	case proc && (slices.Contains(perProcess, parts[0]) || strings.Trim(parts[0], "0123456789") == ""):
		return "it is each process's own", whole
	case proc && parts[0] == "sys" && (len(parts) > 3 || len(parts) == 3 && parts[1] == "net"),
		proc && parts[0] != "sys" && len(parts) > 1:
		return "what is that deep comes and goes", whole
	case !proc && len(parts) > 1:
		return "what is that deep comes and goes with devices", "an entry such as /sys/module, or a rule for the whole"
	case k.Perm != policy.None && k.Perm != policy.Read:
		return "what of it can be written acts on the machine", "none or read"
	}
	if st, err := os.Lstat(path.Join(map[bool]string{true: "/proc", false: "/sys"}[proc], rest)); err != nil || st.Mode()&os.ModeSymlink != 0 {
		return "this kernel has no such entry", "one that is there"
	}
	if masked := c.maskedAbove(k.Path); k.Perm != policy.None && masked != "" {
		return "linux.maskedPaths hides " + masked, "none"
	}
	return "", ""
}

// maskedAbove gives the masked path that a path lies on. What this module's own rules hide is another matter (holes).
func (c *confinement) maskedAbove(name string) string {
	for _, m := range c.spec.Linux.MaskedPaths {
		if below(name, path.Clean(m)) && !slices.Contains(c.sure, m) {
			return m
		}
	}
	return ""
}
