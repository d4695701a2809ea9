package runtime

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/bundle"
	"klw/internal/handshake"
)

// kernelMounts are the file systems that stay the kernel's under a policy: nothing of the host's files is in them.
var kernelMounts = []string{"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"}

// Of proc: what changes or tells about the whole host.
var (
	procReadonly = []string{"sys", "sysrq-trigger", "irq", "bus", "fs", "asound", "mtrr", "dynamic_debug", "driver"}
	procMasked   = []string{"kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi", "acpi",
		"kallsyms", "kmsg", "kpagecount", "kpageflags", "kpagecgroup", "interrupts"}
	sysMasked = []string{"firmware", "devices/virtual/powercap", "kernel/security", "kernel/debug", "kernel/tracing", "fs/bpf"}
)

// confinement is what a policy makes of a bundle, besides a tightened spec.
type confinement struct {
	spec     *specs.Spec
	views    []handshake.Mount   // mounts that become views, the root first
	enforced map[string][]string // rules on the kernel's mounts, by the mount
	kernel   []handshake.KernelMount

	sure      []string                  // masked and read-only paths that have to be there
	noDevices []string                  // devices that aren't made
	denied    []specs.LinuxDeviceCgroup // access to devices that is taken, whatever allows it
	noQueues  bool                      // no POSIX message queues
}

// confine tightens the spec of a bundle with a policy. What a guard can't see is closed, or refused where closing it
// would silently break what the bundle asks for.
func confine(b *bundle.Bundle, warn func(string)) (*confinement, error) {
	if err := refuse(b.Spec); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	taken, err := confineDevices(b.Spec.Linux)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	taken = append(taken, confineCapabilities(b.Spec.Process)...)
	for _, text := range append(taken, confineCircles(b.Spec.Process, b.Policy.Circles)...) {
		warn(text)
	}
	b.Spec.Process.NoNewPrivileges = true
	c := &confinement{spec: b.Spec, enforced: map[string][]string{}, noQueues: hidesQueues(b)}
	if err := c.mounts(b); err != nil {
		return nil, err
	}
	if err := c.kernelRules(b.Policy.Policy); err != nil {
		return nil, err
	}
	c.kernel = c.handOver()
	return c, nil
}

// mounts tightens the mounts and finds the views.
func (c *confinement) mounts(b *bundle.Bundle) error {
	c.views = []handshake.Mount{{Source: b.Rootfs, Destination: "/", ReadOnly: b.Spec.Root.Readonly}}
	seen := map[string]bool{"/": true}
	for i := range b.Spec.Mounts {
		m := &b.Spec.Mounts[i]
		m.Destination = path.Clean(m.Destination)
		at := fmt.Sprintf("config.json: mounts[%d] (%s)", i, m.Destination)
		switch {
		case bundle.IsBind(m):
			if seen[m.Destination] {
				return fmt.Errorf("%s: under a policy a destination can be bound once", at)
			}
			seen[m.Destination] = true
			if len(m.UIDMappings) > 0 || hasOption(m, "idmap", "ridmap") {
				return fmt.Errorf("%s: id-mapped mounts are not supported under a policy: a guard sees the owners on the disk; give the source to whom it is to belong", at)
			}
			if err := checkSource(b.Source(m)); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
			c.views = append(c.views, handshake.Mount{Source: b.Source(m), Destination: m.Destination, ReadOnly: readOnly(m)})
		case !isKernel(m):
			return fmt.Errorf("%s: a mount of type %q would bypass the policy: mount it on the host and bind it", at, m.Type)
		}
		tighten(b.Spec.Linux, m)
		if m.Type == "proc" && b.Policy.OwnProcesses {
			hideProcesses(m)
		}
	}
	return nil
}

func isKernel(m *specs.Mount) bool {
	return !bundle.IsBind(m) && slices.Contains(kernelMounts, m.Type)
}

// refuse names what a policy can't hold together with.
func refuse(spec *specs.Spec) error {
	if n := bundle.Namespace(spec, specs.UserNamespace); n != nil && n.Path != "" {
		return errors.New("linux.namespaces: under a policy a user namespace can't be entered by its path, who is root there rules over the container: have a new one made")
	}
	for _, kind := range []specs.LinuxNamespaceType{specs.MountNamespace, specs.PIDNamespace} {
		n := bundle.Namespace(spec, kind)
		if n == nil || n.Path != "" {
			return fmt.Errorf("linux.namespaces: under a policy the container needs a new %s namespace of its own", kind)
		}
	}
	if bundle.SharesHost(spec, specs.IPCNamespace) {
		return errors.New("linux.namespaces: under a policy the container can't share the host's ipc namespace")
	}
	return nil
}

// tighten closes what a mount leaves open. It goes by each mount of a kind, wherever it is.
func tighten(l *specs.Linux, m *specs.Mount) {
	m.Options = withOption(m.Options, "nosuid", "suid")
	switch m.Type {
	case "proc":
		l.ReadonlyPaths = under(l.ReadonlyPaths, m.Destination, procReadonly)
		l.MaskedPaths = under(l.MaskedPaths, m.Destination, procMasked)
	case "sysfs":
		m.Options = withOption(m.Options, "ro", "rw")
		l.MaskedPaths = under(l.MaskedPaths, m.Destination, sysMasked)
	case "cgroup", "cgroup2":
		m.Options = withOption(m.Options, "ro", "rw")
	}
}

// hideProcesses mounts a proc that shows each user his own processes. Group 0 sees all: which group does is an option
// too, and 0 if nobody says, so it is made the container's own.
func hideProcesses(m *specs.Mount) {
	m.Options = slices.DeleteFunc(m.Options, func(o string) bool {
		return strings.HasPrefix(o, "hidepid=") || strings.HasPrefix(o, "gid=")
	})
	m.Options = append(m.Options, "hidepid=invisible", "gid=0")
}

func under(list []string, folder string, names []string) []string {
	for _, n := range names {
		if p := path.Join(folder, n); !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// withOption gives the options with one of them, and without its opposite.
func withOption(options []string, option, opposite string) []string {
	var out []string
	for _, o := range options {
		if o != opposite && o != "r"+opposite && o != option {
			out = append(out, o)
		}
	}
	return append(out, option)
}

func hasOption(m *specs.Mount, names ...string) bool {
	return slices.ContainsFunc(m.Options, func(o string) bool {
		name, _, _ := strings.Cut(o, "=")
		return slices.Contains(names, name)
	})
}

// readOnly says whether a bind mount is: of ro and rw the last one counts.
func readOnly(m *specs.Mount) bool {
	ro := false
	for _, o := range m.Options {
		switch o {
		case "ro", "rro":
			ro = true
		case "rw", "rrw":
			ro = false
		}
	}
	return ro
}
