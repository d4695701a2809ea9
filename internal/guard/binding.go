package guard

import (
	"klw/fsguard"
	"klw/hooks"
	"klw/internal/policy"
)

// inForce is the policy by which the guard goes. It is replaced whole.
type inForce struct {
	texts   policy.Texts
	policy  *policy.Policy
	binding *binding // nil until the views are made
}

// binding is a policy's file rules, bound to this container beside whatever is in force.
type binding struct {
	*fsguard.Bound
	warnings []string
}

// bind binds the policy's own rules and all that is stacked on them. All mistakes are told at once (policy.ErrorList).
func (g *guard) bind(p *policy.Policy) (*binding, error) {
	if err := p.ResolveHomes(g.users.Home); err != nil {
		return nil, err
	}
	unviewed, viewed := g.mounts()
	bound, warnings, err := fsguard.BindPolicy(p, g.server, g.users, fsguard.RootMaySetuid(g.setup.RootMaySetuid),
		fsguard.Unviewed(unviewed...), fsguard.Viewed(viewed...), g.enforced())
	if err != nil {
		return nil, err
	}
	b := &binding{Bound: bound}
	for _, w := range warnings {
		b.warnings = append(b.warnings, w.String())
	}
	return b, nil
}

// of gives what a module decides by, nil if the policy has no such module.
func (b *binding) of(module string) *fsguard.Rules {
	for _, s := range b.Files {
		if s.Module == module {
			return s.Rules
		}
	}
	return nil
}

// addFiles makes the module of a set known and registers it.
func (g *guard) addFiles(s fsguard.Set) error {
	m := fsguard.NewModule(s.Module, s.Rules)
	if g.setup.Learn && g.state.Load() == stateStarting {
		g.learnFiles(s.Module, m)
	}
	g.modules.add(m.Info(), mastersFiles, g.files, func() (hooks.Module, error) { return m, nil })
	if err := g.modules.load(s.Module); err != nil {
		g.modules.drop(s.Module)
		return err
	}
	if g.fileRules == nil {
		g.fileRules = map[string]*fsguard.Module{}
	}
	g.fileRules[s.Module] = m
	return nil
}

// dropFiles is the opposite.
func (g *guard) dropFiles(module string) error {
	if err := g.files.Unregister(module); err != nil {
		return err
	}
	g.modules.drop(module)
	delete(g.fileRules, module)
	return nil
}
