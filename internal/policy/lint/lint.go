package lint

import (
	"cmp"
	"fmt"
	"slices"

	"klw/internal/policy"
)

// Options are what is known of the bundle.
type Options struct {
	Setuid bool // root keeps CAP_SETUID and so can become other users

	// Elsewhere tells whether rules above a path don't reach it: it leads through a symbolic link, or to a mount of the
	// kernel's own. Without it /proc, /sys and /dev are known to be such.
	Elsewhere func(path string) bool
}

// Warning is one thing that was noticed.
type Warning struct {
	Pos    policy.Pos
	Text   string // what
	Advice string // what to do about it
}

// String gives file:line:column: what; advice.
func (w Warning) String() string { return fmt.Sprintf("%s: %s; %s", w.Pos, w.Text, w.Advice) }

// Check looks at a policy.
func Check(p *policy.Policy, o Options) []Warning {
	l := &linter{p: p, Options: o, modules: index(p)}
	for _, m := range l.modules {
		l.needless(m)
		l.needlessSockets(m)
		l.paths = append(l.paths, m.paths...)
	}
	slices.Sort(l.paths)
	l.paths = slices.Compact(l.paths)
	l.beyondStack()
	l.writeAndExecute()
	l.setuid()
	l.circles()
	slices.SortStableFunc(l.list, func(a, b Warning) int {
		if own := a.Pos.File == p.Name; own != (b.Pos.File == p.Name) {
			return map[bool]int{true: -1, false: 1}[own]
		}
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), a.Pos.Line-b.Pos.Line, a.Pos.Col-b.Pos.Col, cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(l.list) // a file may be read for two modules
}

type linter struct {
	Options
	p       *policy.Policy
	modules []*module // the policy's own, then the stacked ones
	paths   []string  // of all their rules, sorted
	list    []Warning
}

func (l *linter) warn(pos policy.Pos, advice, format string, args ...any) {
	l.list = append(l.list, Warning{pos, fmt.Sprintf(format, args...), advice})
}
