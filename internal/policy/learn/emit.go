package learn

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"klw/internal/policy"
)

// output gathers lines by user.
type output map[uint32][]Line

// emit gives what the rules have more than those in force.
func (b *builder) emit(l *lists, aliases []alias) output {
	out := output{}
	seen := map[who]bool{}
	add := func(uid uint32, r policy.FileRule, why string) {
		if key := (who{uid, r.Path}); !seen[key] {
			seen[key] = true
			out[uid] = append(out[uid], Line{File: &r, Why: why})
		}
	}
	b.emitList(Everybody, l.general, b.old.general, add)
	for uid, r := range l.user {
		b.emitList(uid, r, b.old.user[uid], add)
	}
	for _, a := range aliases {
		add(a.user, a.rule, a.why)
	}
	for _, lines := range out {
		slices.SortFunc(lines, func(x, y Line) int { return strings.Compare(x.File.Path, y.File.Path) })
	}
	return out
}

func (b *builder) emitList(uid uint32, now, old rules, add func(uint32, policy.FileRule, string)) {
	for p, perm := range now {
		if had, ruled := old[p]; ruled && had == perm {
			continue
		}
		add(uid, policy.FileRule{Path: p, Perm: perm}, b.whyAt(p))
	}
}

// whyAt gives the reason of a rule.
func (b *builder) whyAt(p string) string {
	n := b.nodes[p]
	if n == nil {
		return ""
	}
	why := strings.Join(n.why, "; ")
	if n.files == 0 {
		return why
	}
	if !strings.Contains(why, "file") {
		why = strings.TrimPrefix(why+"; "+count(n.files, "name")+" below", "; ")
	}
	if pat := patternsOf(n); pat != "" {
		why += ": " + pat
	}
	return why
}

// finish orders the lines.
func (b *builder) finish(u Uses, out output) *Proposal {
	p := b.out
	p.General = out[Everybody]
	delete(out, Everybody)
	for uid, lines := range out {
		p.PerUser = append(p.PerUser, UserLines{b.o.Name(uid), lines})
	}
	slices.SortFunc(p.PerUser, func(x, y UserLines) int { return cmp.Compare(x.User.String(), y.User.String()) })
	if u.Nameless > 0 {
		p.Omitted = append(p.Omitted, fmt.Sprintf("%s of files without any known name", count(u.Nameless, "use")))
	}
	slices.Sort(p.Omitted)
	p.Omitted = slices.Compact(p.Omitted)
	return p
}
