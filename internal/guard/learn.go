package guard

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"klw/fsguard"
	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/policy"
	"klw/internal/policy/learn"
	"klw/netguard"
)

// lessons are what the modules of a guard have learned, by name. They live as long as the guard: a new one enforces.
// guard.changing is held.
type lessons map[string]*lesson

// lesson is what one module has learned, or learns.
type lesson struct {
	since time.Time
	until time.Time // zero while it learns
	end   func() error
	used  func() (netguard.Used, *learn.Table, error) // one of the two
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
	if err != nil {
		return control.Learned{}, err
	}
	list, _, err := g.lessonsOf(names)
	return control.Learned{Modules: list}, err
}

// learners gives the names of the modules that are meant: without any, the policy's own files and sockets.
func (g *guard) learners(asked []string) ([]string, error) {
	if len(asked) == 0 {
		return []string{fsguard.Name, socketsName}, nil
	}
	for _, name := range asked {
		if g.fileRules[name] != nil || name == socketsName {
			continue
		}
		if _, err := g.modules.find(name); err != nil {
			return nil, err
		}
		return nil, control.Errorf(control.CodeRequest, "module %s can't learn: what it refuses is nothing that a policy could give (expected files, files:NAME or sockets)", name)
	}
	return asked, nil
}

// socketsName is the module with the socket rules.
const socketsName = "sockets"

// startLearning begins anew: what was learned before is forgotten.
func (g *guard) startLearning(names []string) error {
	for _, name := range names {
		if l := g.lessons[name]; l != nil && l.until.IsZero() {
			return control.Errorf(control.CodeConflict, "module %s learns already", name)
		}
		if !g.modules.loaded(name) {
			return control.Errorf(control.CodeConflict, "module %s isn't loaded", name)
		}
	}
	if slices.Contains(names, socketsName) { // first: it alone can fail
		m := g.socketRules.Load()
		if err := m.Learn(); err != nil {
			return err
		}
		g.noteSockets(m)
	}
	for _, name := range names {
		if m := g.fileRules[name]; m != nil {
			g.learnFiles(name, m)
		}
	}
	return nil
}

// learnFiles lets a module with file rules learn.
func (g *guard) learnFiles(name string, m *fsguard.Module) {
	table := learn.NewTable(learn.MostUses)
	m.Learn(table)
	g.server.ExpireSpecial() // FIFOs and sockets show what may be done with them
	g.addLesson(name, &lesson{
		end:  func() error { m.Enforce(); g.server.ExpireSpecial(); return nil },
		used: func() (netguard.Used, *learn.Table, error) { return netguard.Used{}, table, nil },
	})
}

// noteSockets notes that the socket rules learn.
func (g *guard) noteSockets(m *netguard.Module) {
	l := &lesson{used: func() (netguard.Used, *learn.Table, error) { u, err := m.Used(); return u, nil, err }}
	l.end = func() error { // what was used is kept, whatever becomes of the module
		err := m.Enforce()
		u, readErr := m.Used()
		l.used = func() (netguard.Used, *learn.Table, error) { return u, nil, readErr }
		return err
	}
	g.addLesson(socketsName, l)
}

func (g *guard) addLesson(name string, l *lesson) {
	if g.lessons == nil {
		g.lessons = lessons{}
	}
	l.since = time.Now()
	g.lessons[name] = l
	g.notice(audit.OpLearn, name, "klwctl policy learn "+g.setup.ID+" --stop")
}

func (g *guard) stopLearning(names []string) error {
	for _, name := range names {
		if l := g.lessons[name]; l == nil || !l.until.IsZero() {
			return control.Errorf(control.CodeConflict, "module %s doesn't learn", name)
		}
	}
	var all error
	for _, name := range names {
		if err := g.lessons[name].end(); err != nil {
			all = errors.Join(all, fmt.Errorf("module %s still learns: %w", name, err))
			continue
		}
		g.lessons[name].until = time.Now()
		g.notice(audit.OpEnforce, name, "")
	}
	return all
}

// endLesson lets a module that is unloaded learn no more: when it is loaded again, it enforces.
func (g *guard) endLesson(name string) error {
	if l := g.lessons[name]; l != nil && l.until.IsZero() {
		return g.stopLearning([]string{name})
	}
	return nil
}

// lessonsOf tells how far modules are, and adds up what they have learned.
func (g *guard) lessonsOf(names []string) (list []control.Lesson, all learn.Uses, err error) {
	for _, name := range names {
		l := g.lessons[name]
		if l == nil {
			continue
		}
		sockets, table, err := l.used()
		if err != nil {
			return nil, all, err
		}
		c := control.Lesson{
			Module: name, Learning: l.until.IsZero(), Since: l.since,
			Uses: len(sockets.Sockets), Unlisted: sockets.Unlisted, Lost: sockets.Lost,
		}
		if table != nil {
			c.Uses, c.Unlisted, c.Lost = table.Counts()
			sockets.Sockets, all = all.Sockets, table.Uses()
		}
		all.Sockets = append(all.Sockets, sockets.Sockets...)
		list = append(list, c)
	}
	return list, all, nil
}

// learned gives the policy in force with what was learned in it.
func (g *guard) learned(names []string) (out control.Learned, err error) {
	var uses learn.Uses
	if out.Modules, uses, err = g.lessonsOf(names); err != nil {
		return out, err
	}
	if len(out.Modules) == 0 {
		return out, control.Errorf(control.CodeConflict, "nothing was learned yet: klwctl policy learn %s --start", g.setup.ID)
	}
	err = g.propose(&out, uses, names)
	return out, err
}

// propose puts what was learned into the text of the policy that the modules enforce.
func (g *guard) propose(out *control.Learned, uses learn.Uses, names []string) error {
	now := g.now.Load()
	p, texts := now.policy, now.texts
	out.File, out.Old = texts.File, texts.Text
	put := func(text string) { texts.Text = text }
	if layer, stacked := strings.CutPrefix(names[0], fsguard.Name+":"); stacked {
		i := slices.IndexFunc(p.Stack, func(l policy.Layer) bool { return l.Name == layer })
		if i < 0 || len(names) > 1 {
			return control.Errorf(control.CodeConflict, "a stacked policy is asked for by itself, while it is in force")
		}
		file := layer + ".policy"
		p = &policy.Policy{Name: file, RuleSet: p.Stack[i].RuleSet, Circles: p.Circles}
		out.File, out.Old = file, texts.Included[file]
		texts.Included = maps.Clone(texts.Included)
		put = func(text string) { texts.Included[file] = text }
	}
	proposal, err := learn.Build(uses, g.learnOptions(p))
	if err != nil {
		return err
	}
	out.Text = learn.Merge(out.Old, p, proposal)
	put(out.Text)
	if _, err := texts.Parse(); err != nil {
		return fmt.Errorf("the learned policy has mistakes, which it should not: %w", err)
	}
	return nil
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
	modules, _, err := g.lessonsOf(slices.Sorted(maps.Keys(g.lessons)))
	if err != nil {
		return []string{"it isn't known what modules learn: " + err.Error()}
	}
	for _, l := range modules {
		if l.Learning {
			list = append(list, fmt.Sprintf("module %s learns since %s: it refuses nothing (%d uses, of which %d are not in the policy)",
				l.Module, l.Since.Format(time.DateTime), l.Uses, l.Unlisted))
		}
	}
	return list
}
