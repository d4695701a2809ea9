package runtime

import (
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/policy"
)

// kernelRules enforces the file rules that lie on the kernel's own mounts, which no guard sees, by the means that are
// there: masks, read-only paths, mount options. A rule that these can't express is an error. A rule of a directory
// above doesn't reach into such a mount, with one exception: nothing is executed from a tmpfs unless a rule for it says
// so, or writing there would be a way round every execute rule.
func kernelRules(spec *specs.Spec, p *policy.Policy) error {
	for _, r := range p.General.Files {
		if m := kernelMount(spec, r.Path); m != nil {
			if err := kernelRule(spec.Linux, m, r); err != nil {
				return err
			}
		}
	}
	for _, u := range p.PerUser {
		for _, r := range u.Files {
			if m := kernelMount(spec, r.Path); m != nil {
				return fmt.Errorf("%s: a user's own rule can't be enforced on %s, which is a %s", r.Pos.Rule(), m.Destination, m.Type)
			}
		}
	}
	for i := range spec.Mounts {
		if m := &spec.Mounts[i]; m.Type == "tmpfs" && !mayExecute(p, m.Destination) {
			m.Options = withOption(m.Options, "noexec", "exec")
		}
	}
	return nil
}

// kernelMount gives the mount that a path lies on, if it is one of the kernel's.
func kernelMount(spec *specs.Spec, name string) *specs.Mount {
	var found *specs.Mount
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if below(name, m.Destination) && (found == nil || len(m.Destination) >= len(found.Destination)) {
			found = m
		}
	}
	if found == nil || !isKernel(found) {
		return nil
	}
	return found
}

func below(name, folder string) bool {
	return name == folder || folder == "/" || strings.HasPrefix(name, folder+"/")
}

func kernelRule(l *specs.Linux, m *specs.Mount, r policy.FileRule) error {
	whole := r.Path == m.Destination
	switch {
	case r.Perm&(policy.Read|policy.Write) == policy.Read|policy.Write:
	case r.Perm&policy.Write != 0 || m.Type == "tmpfs" && (!whole || r.Perm&policy.Read == 0):
		return fmt.Errorf("%s: %q can't be enforced for %s, which lies on a %s: expected read write, or no rule", r.Pos.Rule(), r.Perm, r.Path, m.Type)
	case r.Perm&policy.Read == 0:
		l.MaskedPaths = under(l.MaskedPaths, path.Dir(r.Path), []string{path.Base(r.Path)})
	case whole && m.Type != "proc": // which klw-init still writes to
		m.Options = withOption(m.Options, "ro", "rw")
	default:
		l.ReadonlyPaths = under(l.ReadonlyPaths, path.Dir(r.Path), []string{path.Base(r.Path)})
	}
	return nil
}

func mayExecute(p *policy.Policy, folder string) bool {
	for _, r := range p.General.Files {
		if r.Path == folder && r.Perm&policy.Execute != 0 {
			return true
		}
	}
	return false
}
