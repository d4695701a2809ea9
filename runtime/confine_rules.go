package runtime

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/handshake"
	"klw/internal/policy"
)

// kernelRules handles the file rules that lie on the kernel's own mounts, which no guard sees. Those for a whole tmpfs
// become mount options; any other is an error: a mask or a read-only path would not hold for what comes later, nor for
// proc, where every process has a folder of its own. A rule of a directory above doesn't reach into such a mount, with
// one exception: nothing is executed from a tmpfs unless a rule for it says so, or writing there would be a way round
// every execute rule. It gives the kernel's mounts.
func kernelRules(spec *specs.Spec, p *policy.Policy) (kernel []handshake.KernelMount, err error) {
	sets := []policy.RuleSet{p.RuleSet}
	for _, l := range p.Stack {
		sets = append(sets, l.RuleSet)
	}
	var whole []map[string]policy.Perm // of each module
	for _, set := range sets {
		rules, err := wholeRules(spec, set)
		if err != nil {
			return nil, err
		}
		whole = append(whole, rules)
	}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if !isKernel(m) {
			continue
		}
		perm, ruled := allAllow(whole, m.Destination)
		kernel = append(kernel, handshake.KernelMount{Destination: m.Destination, Ruled: ruled})
		if perm&policy.Write == 0 {
			m.Options = withOption(m.Options, "ro", "rw")
		}
		if m.Type == "tmpfs" && perm&policy.Execute == 0 {
			m.Options = withOption(m.Options, "noexec", "exec")
		}
	}
	return kernel, nil
}

// allAllow gives what all modules allow on the whole of a mount, and whether any has a rule for it.
func allAllow(whole []map[string]policy.Perm, at string) (perm policy.Perm, ruled bool) {
	perm = policy.Read | policy.Write | policy.Execute
	for _, rules := range whole {
		p, has := rules[at]
		if !has {
			p = policy.Read | policy.Write
		}
		perm, ruled = perm&p, ruled || has
	}
	return perm, ruled
}

// wholeRules gives the rules of one module for the whole of a tmpfs, by its place.
func wholeRules(spec *specs.Spec, set policy.RuleSet) (map[string]policy.Perm, error) {
	whole := map[string]policy.Perm{}
	for _, r := range set.General.Files {
		if m := kernelMount(spec, r.Path); m != nil {
			if m.Type != "tmpfs" || r.Path != m.Destination || r.Perm&policy.Read == 0 {
				return nil, notEnforced(m, r)
			}
			whole[r.Path] = r.Perm
		}
	}
	for _, u := range set.PerUser {
		for _, r := range u.Files {
			if m := kernelMount(spec, r.Path); m != nil {
				return nil, notEnforced(m, r)
			}
		}
	}
	return whole, nil
}

func notEnforced(m *specs.Mount, r policy.FileRule) error {
	if m.Type == "tmpfs" {
		return fmt.Errorf("%s: %s lies on a tmpfs, which the container has from the kernel: the rule can't be enforced, expected a rule with read for the whole of %s, or none", r.Pos.Rule(), r.Path, m.Destination)
	}
	return fmt.Errorf("%s: %s lies on a %s, which the container has from the kernel: the rule can't be enforced, expected no rule there", r.Pos.Rule(), r.Path, m.Type)
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
