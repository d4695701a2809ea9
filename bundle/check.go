package bundle

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// check finds what breaks the specification, and fills in Linux if it is absent.
func check(spec *specs.Spec) error {
	if spec.Linux == nil {
		spec.Linux = new(specs.Linux)
	}
	var m Mistakes
	m.version(spec.Version)
	if spec.Root == nil {
		m.add("root", "is missing")
	} else if spec.Root.Path == "" {
		m.add("root.path", "is empty, expected the root file system's folder")
	}
	if spec.Process == nil {
		m.add("process", "is missing")
	} else {
		m.process(spec.Process)
	}
	m.mounts(spec.Mounts)
	m.namespaces(spec)
	m.linux(spec.Linux)
	m.devices(spec.Linux)
	m.sysctls(spec.Linux)
	m.hooks(spec.Hooks)
	m.unsupported(spec)
	if m != nil {
		return m
	}
	return nil
}

// CheckProcess finds what breaks the specification in a process given by itself (exec --process).
func CheckProcess(p *specs.Process) error {
	var m Mistakes
	m.process(p)
	if m != nil {
		return m
	}
	return nil
}

func (m *Mistakes) version(v string) {
	if v == "" {
		m.add("ociVersion", "is missing, expected a version such as %q", specs.Version)
		return
	}
	number, _, _ := strings.Cut(v, "-")
	parts := strings.Split(number, ".")
	if len(parts) != 3 || slices.ContainsFunc(parts, func(p string) bool { _, err := strconv.ParseUint(p, 10, 32); return err != nil }) {
		m.add("ociVersion", "%q is not a version, expected one such as %q", v, specs.Version)
		return
	}
	if parts[0] != "1" {
		m.add("ociVersion", "version %s is not supported, expected 1.x", v)
	}
}

func (m *Mistakes) process(p *specs.Process) {
	if len(p.Args) == 0 {
		m.add("process.args", "is empty, expected the program and its arguments")
	} else if p.Args[0] == "" {
		m.add("process.args[0]", "is empty, expected a program")
	}
	if !path.IsAbs(p.Cwd) {
		m.add("process.cwd", "%q is not absolute", p.Cwd)
	}
	for i, e := range p.Env {
		if strings.ContainsRune(e, 0) {
			m.add(index("process.env", i, ""), "holds a NUL byte")
		}
	}
	for i, a := range p.Args {
		if strings.ContainsRune(a, 0) {
			m.add(index("process.args", i, ""), "holds a NUL byte")
		}
	}
	m.rlimits(p.Rlimits)
	if s := p.OOMScoreAdj; s != nil && (*s < -1000 || *s > 1000) {
		m.add("process.oomScoreAdj", "%d is out of range, expected -1000 to 1000", *s)
	}
}

var rlimits = []string{
	"RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_LOCKS", "RLIMIT_MEMLOCK",
	"RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
	"RLIMIT_SIGPENDING", "RLIMIT_STACK",
}

func (m *Mistakes) rlimits(list []specs.POSIXRlimit) {
	seen := map[string]bool{}
	for i, r := range list {
		switch {
		case !slices.Contains(rlimits, r.Type):
			m.add(index("process.rlimits", i, "type"), "unknown limit %q", r.Type)
		case seen[r.Type]:
			m.add(index("process.rlimits", i, "type"), "%s is there twice", r.Type)
		}
		seen[r.Type] = true
		if r.Soft > r.Hard {
			m.add(index("process.rlimits", i, "soft"), "%d is above hard, which is %d", r.Soft, r.Hard)
		}
	}
}

func (m *Mistakes) mounts(list []specs.Mount) {
	for i := range list {
		mount := &list[i]
		if !path.IsAbs(mount.Destination) {
			m.add(index("mounts", i, "destination"), "%q is not absolute", mount.Destination)
		}
		if IsBind(mount) && mount.Source == "" {
			m.add(index("mounts", i, "source"), "is empty, expected what to bind")
		}
		if !IsBind(mount) && mount.Type == "" {
			m.add(index("mounts", i, "type"), "is empty, expected a file system or the option bind")
		}
		if (len(mount.UIDMappings) == 0) != (len(mount.GIDMappings) == 0) {
			m.add(index("mounts", i, ""), "uidMappings and gidMappings are only allowed together")
		}
	}
}

// IsBind says whether a mount shows a tree of the host.
func IsBind(m *specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}

func (m *Mistakes) hooks(h *specs.Hooks) {
	if h == nil {
		return
	}
	lists := []struct {
		name  string
		hooks []specs.Hook
	}{
		{"prestart", h.Prestart}, //nolint:staticcheck // deprecated, and engines still use it
		{"createRuntime", h.CreateRuntime}, {"createContainer", h.CreateContainer},
		{"startContainer", h.StartContainer}, {"poststart", h.Poststart}, {"poststop", h.Poststop},
	}
	for _, l := range lists {
		for i, hook := range l.hooks {
			if !path.IsAbs(hook.Path) {
				m.add(index("hooks."+l.name, i, "path"), "%q is not absolute", hook.Path)
			}
			if hook.Timeout != nil && *hook.Timeout <= 0 {
				m.add(index("hooks."+l.name, i, "timeout"), "%d is not a number of seconds above 0", *hook.Timeout)
			}
		}
	}
}

// unsupported names what the specification knows and klw doesn't do.
func (m *Mistakes) unsupported(spec *specs.Spec) {
	l := spec.Linux
	for _, u := range []struct {
		path  string
		there bool
	}{
		{"linux.intelRdt", l.IntelRdt != nil},
		// Never together with a policy: a process may have one listener, and klw's own filter has it.
		{"linux.seccomp.listenerPath", l.Seccomp != nil && l.Seccomp.ListenerPath != ""},
		{"linux.memoryPolicy", l.MemoryPolicy != nil},
		{"linux.netDevices", len(l.NetDevices) > 0},
		{"vm", spec.VM != nil},
		{"windows", spec.Windows != nil},
		{"solaris", spec.Solaris != nil},
	} {
		if u.there {
			m.add(u.path, "is not supported")
		}
	}
}
