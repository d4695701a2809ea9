package guard

import (
	"fmt"
	"slices"

	"klw/hooks"
	"klw/internal/audit"
	"klw/internal/view"
)

// losing is a file that is open and loses a right.
type losing struct {
	view.OpenFile
	module  string
	verdict hooks.Verdict
}

// losers lists what is open, under a revocable rule, and would not be allowed to be opened by b.
func (g *guard) losers(b *binding) (list []losing) {
	for _, f := range g.server.Asked() {
		if module, v := b.Keeps(f.Opener, f.File, f.Flags); v.Refused() {
			list = append(list, losing{f, module, v})
		}
	}
	return list
}

// storePages has what mappings have changed written back while that is still allowed.
func (g *guard) storePages(b *binding) { g.dropPages(g.losers(b)) }

func (g *guard) dropPages(list []losing) {
	done := map[*view.Inode]bool{}
	for _, l := range list {
		if !done[l.File] {
			done[l.File] = true
			g.server.DropPages(l.File)
		}
	}
}

// maxRevoked is how many files an answer names.
const maxRevoked = 100

// revoke takes the pages away from what is open and has lost a right by b, which is in force: the kernel asks from now on.
func (g *guard) revoke(b *binding) (names []string) {
	list := g.losers(b)
	g.dropPages(list)
	for _, l := range list {
		g.log.Record(audit.Event{
			PID: l.Opener.PID, UID: l.Opener.UID, Comm: commandOf(l.Opener.PID), Operation: audit.OpRevoke, Path: l.verdict.Path,
			Inode: l.File.Key().String(), Module: l.module, Decision: audit.Notice, Rule: l.verdict.Rule, Hint: l.verdict.Hint,
		})
		name := fmt.Sprintf("%s, opened by uid %d", l.verdict.Path, l.Opener.UID)
		if len(names) < maxRevoked && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
