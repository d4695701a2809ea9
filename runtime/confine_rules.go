package runtime

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/handshake"
	"klw/internal/policy"
)

// kernelRules puts into force the file rules that lie on the kernel's own mounts, which no guard sees: by mount options,
// masks and device rules, which hold as they are from the container's first instruction to its last. What they can't
// hold is an error. Of several modules each takes something away.
//
// A rule of a directory above doesn't reach into such a mount, with one exception: nothing is executed from a tmpfs
// unless a rule for it says so, or writing there would be a way round every execute rule.
func (c *confinement) kernelRules(p *policy.Policy) error {
	sets := []policy.RuleSet{p.RuleSet}
	for _, l := range p.Stack {
		sets = append(sets, l.RuleSet)
	}
	whole := map[string]policy.Perm{}
	for _, set := range sets {
		if err := c.kernelSet(set, whole); err != nil {
			return err
		}
	}
	c.limitMounts(whole)
	c.hideMounts(whole)
	return nil
}

// kernelSet handles the rules of one module. What it allows on whole mounts is taken from whole.
func (c *confinement) kernelSet(set policy.RuleSet, whole map[string]policy.Perm) error {
	for _, u := range set.PerUser {
		for _, r := range u.Files {
			if m := c.kernelMount(r.Path); m != nil {
				return c.refused(m, r, "what holds there holds for every user", "a rule in @general")
			}
		}
	}
	var rules []kernelRule
	own := map[string]policy.Perm{}
	for _, r := range set.General.Files {
		m := c.kernelMount(r.Path)
		if m == nil {
			continue
		}
		k := kernelRule{r, m}
		if err := c.kernelRule(k); err != nil {
			return err
		}
		if k.whole() {
			own[r.Path] = r.Perm
		}
		rules = append(rules, k)
		c.enforced[m.Destination] = append(c.enforced[m.Destination], r.Path)
	}
	for i := range c.spec.Mounts {
		m := &c.spec.Mounts[i]
		if perm, ruled := own[m.Destination]; isKernel(m) {
			if !ruled {
				perm = policy.Read | policy.Write
			}
			whole[m.Destination] = allowed(whole, m.Destination) & perm
		}
	}
	return c.holes(rules)
}

func allowed(whole map[string]policy.Perm, at string) policy.Perm {
	if perm, ok := whole[at]; ok {
		return perm
	}
	return policy.Read | policy.Write | policy.Execute
}

// kernelRule is a file rule for a path on one of the kernel's own mounts.
type kernelRule struct {
	policy.FileRule
	mount *specs.Mount
}

func (k kernelRule) whole() bool { return k.Path == k.mount.Destination }

// kernelRule puts one rule into force, but for those about a whole mount.
func (c *confinement) kernelRule(k kernelRule) error {
	if k.Revocable {
		return c.refused(k.mount, k.FileRule, "what is open there can't be taken away", "no revocable")
	}
	if k.whole() {
		return c.checkWhole(k)
	}
	switch k.mount.Type {
	case "proc", "sysfs":
		return c.entry(k)
	case "tmpfs":
		if d, ok := c.device(k.Path); ok {
			return c.limitDevice(k, d)
		}
		if k.mount.Destination == "/dev" {
			return c.refused(k.mount, k.FileRule, "the bundle gives no such device", "one of linux.devices in config.json, or a rule for the whole of /dev")
		}
	}
	return c.refused(k.mount, k.FileRule, "what is in there comes and goes", "a rule for the whole of "+k.mount.Destination)
}

// holes refuses rules of one module that give something back inside of what another hides or write-protects.
func (c *confinement) holes(rules []kernelRule) error {
	for _, k := range rules {
		for _, above := range rules {
			if k.Path == above.Path || !below(k.Path, above.Path) || k.Perm&^above.Perm == 0 || above.whole() && k.mount.Type == "tmpfs" && above.Perm != policy.None {
				continue
			}
			return c.refused(k.mount, k.FileRule, fmt.Sprintf("%s (%s) closes all that is below", above, above.Pos.Rule()), "no more than "+above.Perm.String())
		}
	}
	return nil
}

func (c *confinement) refused(m *specs.Mount, r policy.FileRule, why, expected string) error {
	return fmt.Errorf("%s: %s lies on a %s, which the container has from the kernel: the rule can't be enforced (%s), expected %s", r.Pos.Rule(), r.Path, m.Type, why, expected)
}

// handOver lists the kernel's mounts for the guard.
func (c *confinement) handOver() (list []handshake.KernelMount) {
	for i := range c.spec.Mounts {
		if m := &c.spec.Mounts[i]; isKernel(m) {
			list = append(list, handshake.KernelMount{Destination: m.Destination, Rules: c.enforced[m.Destination]})
		}
	}
	return list
}

// kernelMount gives the mount that a path lies on, if it is one of the kernel's.
func (c *confinement) kernelMount(name string) *specs.Mount {
	var found *specs.Mount
	for i := range c.spec.Mounts {
		m := &c.spec.Mounts[i]
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
