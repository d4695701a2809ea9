package bundle

import (
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var namespaceTypes = []specs.LinuxNamespaceType{
	specs.CgroupNamespace, specs.IPCNamespace, specs.MountNamespace, specs.NetworkNamespace, specs.PIDNamespace,
	specs.TimeNamespace, specs.UserNamespace, specs.UTSNamespace,
}

// Namespace finds the namespace of a type among those of the spec; nil if the container shares the caller's.
func Namespace(spec *specs.Spec, kind specs.LinuxNamespaceType) *specs.LinuxNamespace {
	for i := range spec.Linux.Namespaces {
		if spec.Linux.Namespaces[i].Type == kind {
			return &spec.Linux.Namespaces[i]
		}
	}
	return nil
}

// SharesHost says whether a container is in the caller's namespace of a kind: none is asked for, or the path of that one.
func SharesHost(spec *specs.Spec, kind specs.LinuxNamespaceType) bool {
	n := Namespace(spec, kind)
	if n == nil || n.Path == "" {
		return n == nil
	}
	theirs, err := os.Stat(n.Path)
	if err != nil {
		return false // what can't be found can't be joined
	}
	file := string(kind)
	if kind == specs.NetworkNamespace {
		file = "net"
	}
	ours, err := os.Stat("/proc/self/ns/" + file)
	return err == nil && os.SameFile(theirs, ours)
}

func (m *Mistakes) namespaces(spec *specs.Spec) {
	l := spec.Linux
	seen := map[specs.LinuxNamespaceType]bool{}
	for i, n := range l.Namespaces {
		switch {
		case !slices.Contains(namespaceTypes, n.Type):
			m.add(index("linux.namespaces", i, "type"), "unknown namespace %q", n.Type)
		case seen[n.Type]:
			m.add(index("linux.namespaces", i, "type"), "%s is there twice", n.Type)
		}
		seen[n.Type] = true
		if n.Path != "" && !path.IsAbs(n.Path) {
			m.add(index("linux.namespaces", i, "path"), "%q is not absolute", n.Path)
		}
	}
	if !seen[specs.MountNamespace] {
		m.add("linux.namespaces", "the mount namespace is missing: mounts can't be made in the host's")
	}
	if !seen[specs.UTSNamespace] && spec.Hostname != "" {
		m.add("hostname", "needs a uts namespace in linux.namespaces")
	}
	if !seen[specs.UTSNamespace] && spec.Domainname != "" {
		m.add("domainname", "needs a uts namespace in linux.namespaces")
	}
	m.userNamespace(spec)
	if t := Namespace(spec, specs.TimeNamespace); len(l.TimeOffsets) > 0 && (t == nil || t.Path != "") {
		m.add("linux.timeOffsets", "needs a new time namespace in linux.namespaces")
	}
}

func (m *Mistakes) userNamespace(spec *specs.Spec) {
	l, user := spec.Linux, Namespace(spec, specs.UserNamespace)
	mapped := len(l.UIDMappings) > 0 || len(l.GIDMappings) > 0
	switch {
	case user == nil && mapped:
		m.add("linux.uidMappings", "needs a user namespace in linux.namespaces")
	case user != nil && user.Path == "" && (len(l.UIDMappings) == 0 || len(l.GIDMappings) == 0):
		m.add("linux.uidMappings", "a new user namespace needs uidMappings and gidMappings")
	}
}

func (m *Mistakes) linux(l *specs.Linux) {
	for i, p := range l.MaskedPaths {
		if !path.IsAbs(p) {
			m.add(index("linux.maskedPaths", i, ""), "%q is not absolute", p)
		}
	}
	for i, p := range l.ReadonlyPaths {
		if !path.IsAbs(p) {
			m.add(index("linux.readonlyPaths", i, ""), "%q is not absolute", p)
		}
	}
	switch l.RootfsPropagation {
	case "", "shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable":
	default:
		m.add("linux.rootfsPropagation", "unknown mode %q, expected shared, slave, private or unbindable", l.RootfsPropagation)
	}
	if slices.Contains(strings.Split(l.CgroupsPath, "/"), "..") {
		m.add("linux.cgroupsPath", "%q holds '..'", l.CgroupsPath)
	}
}

func (m *Mistakes) devices(l *specs.Linux) {
	for i, d := range l.Devices {
		if !path.IsAbs(d.Path) {
			m.add(index("linux.devices", i, "path"), "%q is not absolute", d.Path)
		}
		if !slices.Contains([]string{"b", "c", "u", "p"}, d.Type) {
			m.add(index("linux.devices", i, "type"), "unknown type %q, expected b, c, u or p", d.Type)
		}
	}
	if l.Resources == nil {
		return
	}
	for i, d := range l.Resources.Devices {
		if !slices.Contains([]string{"", "a", "b", "c"}, d.Type) {
			m.add(index("linux.resources.devices", i, "type"), "unknown type %q, expected a, b or c", d.Type)
		}
		if strings.Trim(d.Access, "rwm") != "" {
			m.add(index("linux.resources.devices", i, "access"), "%q, expected letters of rwm", d.Access)
		}
	}
}
