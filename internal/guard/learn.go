package guard

import (
	"fmt"
	"slices"
	"time"

	"klw/fsguard"
	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/policy"
	"klw/internal/policy/learn"
)

// lessons are what the modules of a guard have learned, by name. They live as long as the guard: a new one enforces.
// guard.changing is held.
type lessons map[string]*lesson

// lesson is what one module has learned, or learns.
type lesson struct {
	table *learn.Table
	since time.Time
	until time.Time // zero while it learns
}

// learn answers policy.learn.
func (g *guard) learn(q control.Learn) (control.Learned, error) {
	g.changing.Lock()
	defer g.changing.Unlock()
	names, err := g.learners(q.Modules)
	if err != nil {
		return control.Learned{}, err
	}
	switch q.Action {
	case "start":
		err = g.startLearning(names)
	case "stop":
		err = g.stopLearning(names)
	case "show":
		return g.learned(names)
	default:
		err = control.Errorf(control.CodeRequest, "action %q, expected start, stop or show", q.Action)
	}
	return control.Learned{Modules: g.lessonsOf(names)}, err
}

// learners gives the names of the modules that are meant.
func (g *guard) learners(asked []string) ([]string, error) {
	if len(asked) == 0 {
		return []string{fsguard.Name}, nil
	}
	for _, name := range asked {
		if g.fileRules[name] != nil {
			continue
		}
		if _, err := g.modules.find(name); err != nil {
			return nil, err
		}
		return nil, control.Errorf(control.CodeRequest, "module %s can't learn: what it refuses is nothing that a policy could give (expected files or sockets)", name)
	}
	return asked, nil
}

// startLearning begins anew: what was learned before is forgotten.
func (g *guard) startLearning(names []string) error {
	for _, name := range names {
		if l := g.lessons[name]; l != nil && l.until.IsZero() {
			return control.Errorf(control.CodeConflict, "module %s learns already", name)
		}
	}
	for _, name := range names {
		g.beginLesson(name, g.fileRules[name])
	}
	return nil
}

func (g *guard) beginLesson(name string, m *fsguard.Module) {
	if g.lessons == nil {
		g.lessons = lessons{}
	}
	l := &lesson{table: learn.NewTable(learn.MostUses), since: time.Now()}
	g.lessons[name] = l
	m.Learn(l.table)
	g.notice(audit.OpLearn, name, "klwctl policy learn "+g.setup.ID+" --stop")
}

func (g *guard) stopLearning(names []string) error {
	for _, name := range names {
		if l := g.lessons[name]; l == nil || !l.until.IsZero() {
			return control.Errorf(control.CodeConflict, "module %s doesn't learn", name)
		}
	}
	for _, name := range names {
		g.fileRules[name].Enforce()
		g.lessons[name].until = time.Now()
		g.notice(audit.OpEnforce, name, "")
	}
	return nil
}

// lessonsOf tells how far modules are.
func (g *guard) lessonsOf(names []string) (list []control.Lesson) {
	for _, name := range names {
		l := g.lessons[name]
		if l == nil {
			continue
		}
		uses, unlisted, lost := l.table.Counts()
		list = append(list, control.Lesson{
			Module: name, Learning: l.until.IsZero(), Since: l.since, Uses: uses, Unlisted: unlisted, Lost: lost,
		})
	}
	return list
}

// learned gives the policy in force with what was learned in it.
func (g *guard) learned(names []string) (control.Learned, error) {
	out := control.Learned{Modules: g.lessonsOf(names)}
	if len(out.Modules) == 0 {
		return out, control.Errorf(control.CodeConflict, "nothing was learned yet: klwctl policy learn %s --start", g.setup.ID)
	}
	var uses learn.Uses
	for _, name := range names {
		if l := g.lessons[name]; l != nil {
			uses = l.table.Uses()
		}
	}
	now := g.now.Load()
	proposal, err := learn.Build(uses, g.learnOptions(now.policy))
	if err != nil {
		return out, err
	}
	texts := now.texts
	out.File, out.Old = texts.File, texts.Text
	texts.Text = learn.Merge(texts.Text, now.policy, proposal)
	if _, err := texts.Parse(); err != nil {
		return out, fmt.Errorf("the learned policy has mistakes, which it should not: %w", err)
	}
	out.Text = texts.Text
	return out, nil
}

// learnOptions tell what only this container knows.
func (g *guard) learnOptions(p *policy.Policy) learn.Options {
	unviewed, viewed := g.mounts()
	return learn.Options{
		Rules: p.RuleSet, Circles: p.Circles,
		UID: g.uidOf, Name: g.userOf,
		Follow: func(p string) (string, []string, error) {
			f, at, links, err := g.server.Follow(p)
			if f != nil {
				g.server.Unpin(f)
			}
			return at, links, err
		},
		Ruled: func(p string) bool { return fsguard.Ruled(p, unviewed, viewed) },
	}
}

func (g *guard) uidOf(u policy.User) (uint32, error) { return g.users.UID(u.String()) }

// userOf names a user as the container does.
func (g *guard) userOf(uid uint32) policy.User { return g.users.Name(uid) }

// learningNow gives a line for each module that learns, for klwctl status.
func (g *guard) learningNow() (list []string) {
	g.changing.Lock()
	defer g.changing.Unlock()
	for name := range g.lessons {
		for _, l := range g.lessonsOf([]string{name}) {
			if l.Learning {
				list = append(list, fmt.Sprintf("module %s learns since %s: it refuses nothing (%d uses, of which %d are not in the policy)",
					name, l.Since.Format(time.DateTime), l.Uses, l.Unlisted))
			}
		}
	}
	slices.Sort(list)
	return list
}
