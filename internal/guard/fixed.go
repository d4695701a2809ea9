package guard

import (
	"fmt"
	"slices"
	"strings"

	"klw/fsguard"
	"klw/internal/control"
	"klw/internal/policy"
)

// replaceable says, one line each, why a policy can't replace the one in force while the container runs.
func (g *guard) replaceable(p *policy.Policy, cleared bool) error {
	var why []string
	for _, name := range g.ruled() {
		if !g.modules.loaded(name) {
			why = append(why, fmt.Sprintf("module %s is unloaded, so its rules would not be in force: klwctl module load %s %s, then load the policy", name, g.setup.ID, name))
		}
	}
	if cleared {
		why = append(why, g.learning()...)
	} else {
		why = append(why, fixed(g.policy, p, g.kernelMount)...)
	}
	if hold := g.circlesHold(p); hold != "" {
		why = append(why, hold)
	}
	if len(why) > 0 {
		return control.Errorf(control.CodeConflict, "%s", strings.Join(why, "\n"))
	}
	return nil
}

// learning says which modules refuse nothing, whatever their rules are.
func (g *guard) learning() (list []string) {
	for name, l := range g.lessons {
		if l.until.IsZero() {
			list = append(list, fmt.Sprintf("module %s learns, and refuses nothing: klwctl policy learn %s --stop", name, g.setup.ID))
		}
	}
	slices.Sort(list)
	return list
}

// ruled are the modules that decide by the policy's rules.
func (g *guard) ruled() []string {
	names := []string{"sockets"}
	now := g.now.Load().binding
	for _, s := range now.Files {
		names = append(names, s.Module)
	}
	if now.Circles != nil {
		names = append(names, fsguard.CircleName)
	}
	return names
}

const restart = "it counts when a container is created: make a new one for it"

// fixed lists how a policy differs from the one that the container was created with in what can't change.
func fixed(old, p *policy.Policy, kernel func(path string) string) (why []string) {
	for _, f := range []struct{ what, was, is string }{
		{"application", old.Application, p.Application},
		{"compartment", orDefault(old.Compartment), orDefault(p.Compartment)},
		{"seal", onOff(old.Seal), onOff(p.Seal)},
		{"processes own", onOff(old.OwnProcesses), onOff(p.OwnProcesses)},
		{"publish", publishes(old), publishes(p)},
		{"@replicate", replicates(old), replicates(p)},
	} {
		if f.was != f.is {
			why = append(why, fmt.Sprintf("%s: %s can't change from %q to %q: %s", p.Name, f.what, f.was, f.is, restart))
		}
	}
	was, is := kernelRules(old, kernel), kernelRules(p, kernel)
	why = append(why, executing(old, p, was)...)
	for _, r := range is {
		if !slices.ContainsFunc(was, r.same) {
			why = append(why, fmt.Sprintf("%s: %s is about %s, which the container has from the kernel, and became options of the mount: %s", r.Pos, r, kernel(r.Path), restart))
		}
	}
	for _, r := range was {
		if !slices.ContainsFunc(is, r.same) {
			why = append(why, fmt.Sprintf("%s: %s (%s) became options of the mount that the container has from the kernel: keep the rule, %s", p.Name, r, r.Pos.Rule(), restart))
		}
	}
	return why
}

// executing says which stacked policies are new and would take execute from a tmpfs, where what no rule is about is not
// executed.
func executing(old, p *policy.Policy, was []kernelRule) (why []string) {
	for _, l := range p.Stack {
		if slices.ContainsFunc(old.Stack, func(o policy.Layer) bool { return o.Name == l.Name }) {
			continue
		}
		for _, r := range was {
			if r.list == "" && r.Perm&policy.Execute != 0 {
				why = append(why, fmt.Sprintf("%s: the stacked policy %s has no rule for %s, where %s gives execute as an option of the mount: %s", l.Pos, l.Name, r.Path, r.Pos.Rule(), restart))
			}
		}
	}
	return why
}

// kernelRule is a rule on one of the kernel's own mounts, and whose it is.
type kernelRule struct {
	policy.FileRule
	list string
}

func (r kernelRule) same(o kernelRule) bool {
	return r.list == o.list && r.FileRule.String() == o.FileRule.String()
}

// kernelRules gives the rules that became something else than rules of the guard.
func kernelRules(p *policy.Policy, kernel func(path string) string) (list []kernelRule) {
	add := func(name string, set policy.RuleSet) {
		for _, r := range set.General.Files {
			if kernel(r.Path) != "" {
				list = append(list, kernelRule{r, name})
			}
		}
		for _, u := range set.PerUser {
			for _, r := range u.Files {
				if kernel(r.Path) != "" {
					list = append(list, kernelRule{r, name + " " + u.User.String()})
				}
			}
		}
	}
	add("", p.RuleSet)
	for _, l := range p.Stack {
		add(fsguard.Name+":"+l.Name, l.RuleSet)
	}
	return list
}

// kernelMount gives the kernel's own mount that a path lies on, "" if a view shows it.
func (g *guard) kernelMount(path string) string {
	last, kernel := "", false
	for _, m := range g.setup.Mounts {
		if policy.Below(path, m.Destination) && len(m.Destination) > len(last) {
			last, kernel = m.Destination, false
		}
	}
	for _, m := range g.setup.Kernel {
		if policy.Below(path, m.Destination) && len(m.Destination) >= len(last) {
			last, kernel = m.Destination, true
		}
	}
	if !kernel {
		return ""
	}
	return last
}

func orDefault(compartment string) string {
	if compartment == "" {
		return "default"
	}
	return compartment
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func publishes(p *policy.Policy) string { return joined(p.Publish) }

func replicates(p *policy.Policy) string { return joined(p.Replicate) }

// joined writes lines of a policy, whatever their order, as one.
func joined[L fmt.Stringer](lines []L) string {
	var list []string
	for _, l := range lines {
		list = append(list, l.String())
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
