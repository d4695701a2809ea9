package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/policy"
)

// loadPolicy puts another policy into force, all of it or, with an error, nothing. Loads come one after the other.
func (g *guard) loadPolicy(ctx context.Context, texts policy.Texts) (control.PolicyLoaded, error) {
	p, err := texts.Parse()
	if err != nil {
		return control.PolicyLoaded{}, control.Errorf(control.CodePolicy, "%v", err)
	}
	return g.replacePolicy(ctx, texts, p, "the policy "+texts.File)
}

// clearPolicy takes all rules out of the policy in force: everything is refused.
func (g *guard) clearPolicy(ctx context.Context, _ struct{}) (control.PolicyLoaded, error) {
	p := *g.policy
	p.RuleSet, p.Stack, p.Circles, p.Tests = policy.RuleSet{}, nil, nil, nil
	p.Users = g.now.Load().policy.Users
	texts := policy.Texts{File: clearedFile, Text: p.String()}
	return g.replacePolicy(ctx, texts, &p, "no rule at all, so everything is refused")
}

// clearedFile is the file of the policy that a clear makes.
const clearedFile = "cleared"

func (g *guard) replacePolicy(ctx context.Context, texts policy.Texts, p *policy.Policy, what string) (done control.PolicyLoaded, err error) {
	g.changing.Lock()
	defer g.changing.Unlock()
	if s := g.state.Load(); s != stateEnforcing {
		return done, control.Errorf(control.CodeConflict, "the guard is %s", s)
	}
	if err := g.replaceable(p, texts.File == clearedFile); err != nil {
		return done, err
	}
	b, err := g.bind(p)
	var mistakes policy.ErrorList
	if errors.As(err, &mistakes) {
		return done, control.Errorf(control.CodePolicy, "%v", err)
	}
	if err != nil {
		return done, err
	}
	if err := g.checkTests(p, b); err != nil {
		b.Close()
		return done, err
	}
	next := &inForce{texts: texts, policy: p, binding: b}
	g.storePages(b) // by the old rules
	if err := g.exchange(next); err != nil {
		b.Close()
		return done, fmt.Errorf("the policy was not loaded: %w", err)
	}
	g.server.ExpireSpecial()
	revoked := g.revoke(b)
	by := control.CallerOf(ctx)
	g.log.Record(audit.Event{
		PID: by.PID, UID: by.UID, Comm: commandOf(by.PID), Operation: audit.OpLoad, Module: "policy", Decision: audit.Notice,
		Hint: "in force is " + what,
	})
	return control.PolicyLoaded{Policy: texts.File, Warnings: slices.Concat(b.warnings, g.learning()), Revoked: revoked}, nil
}

// commandOf gives a process's command name, as far as it is there still.
func commandOf(pid uint32) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name))
}
