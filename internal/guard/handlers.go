package guard

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/policy"
)

// control opens the control socket. Its end comes before any module's, so that nobody changes the stack meanwhile.
func (g *guard) control() error {
	s, err := control.Listen(g.dir.Control())
	if err != nil {
		return err
	}
	g.undo.push("close the control socket", s.Close)
	control.Handle(s, control.MethodStatus, func(context.Context, struct{}) (control.Status, error) {
		return g.status(), nil
	})
	control.Handle(s, control.MethodModuleList, func(context.Context, struct{}) ([]control.Module, error) {
		return g.modules.show(), nil
	})
	control.Handle(s, control.MethodModuleLoad, func(_ context.Context, n control.Name) (any, error) {
		return nil, g.changeModule(n.Name, audit.OpLoad, g.modules.load)
	})
	control.Handle(s, control.MethodModuleUnload, func(_ context.Context, n control.Name) (any, error) {
		return nil, g.changeModule(n.Name, audit.OpUnload, g.modules.unload)
	})
	control.Handle(s, control.MethodPolicyShow, func(context.Context, struct{}) (policy.Texts, error) {
		return g.now.Load().texts, nil
	})
	control.Handle(s, control.MethodPolicyIdle, func(context.Context, struct{}) (idle []policy.FileRule, _ error) {
		for _, set := range g.now.Load().binding.Files {
			idle = append(idle, set.Idle()...)
		}
		return idle, nil
	})
	control.HandleLarge(s, control.MethodPolicyLoad, control.MaxPolicy, g.loadPolicy)
	control.Handle(s, control.MethodPolicyClear, g.clearPolicy)
	control.Handle(s, control.MethodPolicyExplain, func(_ context.Context, q control.Question) (control.Answer, error) {
		return g.explain(q)
	})
	control.Handle(s, control.MethodPolicyLearn, func(_ context.Context, q control.Learn) (control.Learned, error) {
		return g.learn(q)
	})
	control.Handle(s, control.MethodLogLevel, func(_ context.Context, l control.Level) (control.Level, error) {
		return g.setLevel(l)
	})
	control.HandleStream(s, control.MethodEvents, g.events)
	go func() {
		if err := s.Serve(); err != nil {
			slog.Error("the control socket answers no more", "error", err)
		}
	}()
	return nil
}

func (g *guard) events(ctx context.Context, q control.EventsQuery, send func(any) error) error {
	return g.log.Follow(ctx, q.Since, q.Follow, func(e audit.Event) error { return send(e) })
}

func (g *guard) setLevel(l control.Level) (control.Level, error) {
	if l.Level != "" {
		var level slog.Level
		if err := level.UnmarshalText([]byte(l.Level)); err != nil {
			return l, control.Errorf(control.CodeRequest, "log level %q, expected debug, info, warn or error", l.Level)
		}
		g.level.Set(level)
		slog.Info("log level set", "level", g.level.Level())
	}
	return control.Level{Level: g.levelName()}, nil
}

func (g *guard) levelName() string { return strings.ToLower(g.level.Level().String()) }

// status says how things are.
func (g *guard) status() control.Status {
	now := g.now.Load()
	s := control.Status{
		Container: g.setup.ID, Application: g.policy.Application, Compartment: g.policy.Compartment,
		PID: os.Getpid(), Since: g.since, State: g.state.Load(), Policy: now.texts.File, Cgroup: g.setup.Cgroup,
		LogLevel: g.levelName(), Modules: g.modules.show(), Replicas: g.replicaStatus(), Events: g.log.Counters(),
	}
	if s.State != stateStarting {
		s.Warnings = slices.Concat(now.binding.warnings, g.warnings)
	}
	for i, v := range g.views {
		s.Views = append(s.Views, viewStatus(v, g.setup.Mounts[i]))
	}
	for _, p := range g.policy.Publish {
		s.Published = append(s.Published, fmt.Sprintf("%s %s -> %d", p.Protocol, p.Host, p.Port))
	}
	s.NotEnforced = g.notEnforced(s.Modules)
	return s
}

// notEnforced lists what the policy or klw promises and this guard doesn't hold, one line each.
func (g *guard) notEnforced(modules []control.Module) (list []string) {
	for _, m := range modules {
		if !m.Loaded && !g.optional(m.Name) {
			list = append(list, fmt.Sprintf("module %s is unloaded: %s", m.Name, m.Description))
		}
	}
	list = append(list, g.learningNow()...)
	if g.state.Load() != stateStarting && !g.canAbstract.Load() {
		list = append(list, "connecting to abstract UNIX names: this kernel has no hook for it (Linux 6.7 or later has)")
	}
	return list
}

// optional tells whether a module is one that isn't loaded unless somebody asks for it.
func (g *guard) optional(name string) bool {
	for _, m := range g.extra {
		if m.Info().Name == name {
			return true
		}
	}
	return name == recorderName
}
