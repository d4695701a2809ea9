package bundle

import (
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var ipcSysctls = []string{
	"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
	"kernel.shm_rmid_forced",
}

// sysctls refuses those that would change the host: only what belongs to a namespace of the container may be set.
func (m *Mistakes) sysctls(l *specs.Linux) {
	for _, key := range slices.Sorted(maps.Keys(l.Sysctl)) {
		kind := sysctlNamespace(sysctlDots(key))
		if kind == "" {
			m.add("linux.sysctl", "%s belongs to no namespace: it would change the host", key)
			continue
		}
		if !slices.ContainsFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind }) {
			m.add("linux.sysctl", "%s needs the %s namespace in linux.namespaces: it would change the host", key, kind)
		}
	}
}

// hostSysctls refuses them where the namespace that config.json names by its path is the host's own.
func hostSysctls(spec *specs.Spec) error {
	var m Mistakes
	for _, key := range slices.Sorted(maps.Keys(spec.Linux.Sysctl)) {
		kind := sysctlNamespace(sysctlDots(key))
		if kind != specs.UserNamespace && SharesHost(spec, kind) {
			m.add("linux.sysctl", "%s: the path of the %s namespace is the host's own: it would change the host", key, kind)
		}
	}
	if m != nil {
		return m
	}
	return nil
}

func sysctlNamespace(key string) specs.LinuxNamespaceType {
	switch {
	case slices.Contains(ipcSysctls, key), strings.HasPrefix(key, "fs.mqueue."):
		return specs.IPCNamespace
	case strings.HasPrefix(key, "net."):
		return specs.NetworkNamespace
	case key == "kernel.domainname":
		return specs.UTSNamespace
	case strings.HasPrefix(key, "user."):
		return specs.UserNamespace
	}
	return ""
}

// sysctlDots gives a key that is written with slashes (sysctl(8) allows both) the form with dots.
func sysctlDots(key string) string {
	if i := strings.IndexAny(key, "./"); i < 0 || key[i] == '.' {
		return key
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, key)
}
