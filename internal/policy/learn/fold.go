package learn

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"klw/internal/policy"
)

// When names are folded into their folder's rule by choice.
const (
	manyFiles    = 8  // names in one folder that were used in the same way
	manyInTree   = 16 // files below a folder that were only read …
	manyBranches = 4  // … in so many of its subfolders
)

// crowds are folders that hold everything of a kind: what has been used below them says nothing about the rest.
var crowds = []string{
	"/*", "/usr/*", "/usr/local/*", "/var/*", "/home/*", "/etc/ssl", "/var/lib/dpkg",
}

// shared are folders of temporary files, where a rule is fit although they are near the root.
var temporary = []string{"/tmp", "/var/tmp"}

// top tells whether a folder is one that never gets a rule by itself.
func top(p string) bool {
	if p == "/" {
		return true
	}
	if slices.Contains(temporary, p) {
		return false
	}
	return slices.ContainsFunc(crowds, func(pattern string) bool {
		ok, _ := path.Match(pattern, p)
		return ok
	})
}

// foldable tells whether a folder may get a rule for what is below it.
func (b *builder) foldable(dir string) bool {
	return !top(dir) && !b.old.touches(dir) && (b.o.Ruled == nil || b.o.Ruled(dir))
}

// moveTrees joins what is below folders that were moved as a whole: no rule may be about something below those.
func (b *builder) moveTrees(ties []Tie) {
	for _, t := range ties {
		if !t.Folder {
			continue
		}
		for _, dir := range []string{t.A, t.B} {
			for _, p := range b.below(dir) {
				b.merge(p, dir)
			}
			if n := b.nodes[dir]; n != nil {
				n.because("the folder was moved, with what is below it")
			}
		}
	}
}

// fold goes through the folders, the deepest first.
func (b *builder) fold() {
	for _, dir := range b.folders() {
		if b.ownFolder(dir) && !b.old.touches(dir) {
			b.foldOwn(dir)
		} else if !b.foldable(dir) {
			continue
		}
		b.foldTemporary(dir)
		b.foldMany(dir)
		b.foldTree(dir)
	}
	b.absorb()
}

// folders gives all folders above nodes, and those that are nodes, the deepest first.
func (b *builder) folders() []string {
	list := slices.Collect(maps.Keys(b.kids))
	for p, n := range b.nodes {
		if _, known := b.kids[p]; !known && n.kind&Folder != 0 {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(x, y string) int {
		if c := strings.Count(y, "/") - strings.Count(x, "/"); c != 0 {
			return c
		}
		return strings.Compare(x, y)
	})
	return list
}

// ownFolder tells whether the application made a folder.
func (b *builder) ownFolder(dir string) bool {
	n := b.nodes[dir]
	return n != nil && n.kind&(Folder|Made) == Folder|Made
}

// foldOwn: what is in a folder that the application made is the application's.
func (b *builder) foldOwn(dir string) {
	for _, p := range b.below(dir) {
		if b.nodes[p].class()&policy.Execute == 0 && !b.between(p, dir) {
			b.merge(p, dir)
		}
	}
}

// foldTemporary: files with made-up names will have others the next time.
func (b *builder) foldTemporary(dir string) {
	var names []string
	for _, p := range b.children(dir) {
		n := b.nodes[p]
		if n.kind&Made != 0 && n.class()&policy.Execute == 0 && (madeUp(path.Base(p)) || b.oneOfMany[p]) {
			names = append(names, p)
		}
	}
	for _, p := range names {
		if b.nodes[p].kind&Special != 0 {
			b.node(dir).because("FIFOs or sockets are among them, which are everybody's")
		}
		b.merge(p, dir)
	}
	if len(names) > 0 {
		b.nodes[dir].because(fmt.Sprintf("%s with made-up names, like %s", count(len(names), "file"), path.Base(names[0])))
	}
}

// oneOfMany gives the names from which files were moved to one place, where these were several in one folder: what is
// written anew by a file of another name each time will have yet another the next time.
func oneOfMany(ties []Tie) map[string]bool {
	type way struct{ from, to string }
	names := map[way]map[string]bool{}
	for _, t := range ties {
		w := way{path.Dir(t.A), t.B}
		if names[w] == nil {
			names[w] = map[string]bool{}
		}
		names[w][t.A] = true
	}
	all := map[string]bool{}
	for _, from := range names {
		if len(from) > 1 {
			maps.Copy(all, from)
		}
	}
	return all
}

// foldMany: the largest group of names in a folder that were used in the same way.
func (b *builder) foldMany(dir string) {
	groups := map[policy.Perm][]string{}
	for _, p := range b.children(dir) {
		if n := b.nodes[p]; n.kind&(Folder|Special) == 0 {
			groups[n.class()] = append(groups[n.class()], p)
		}
	}
	var best policy.Perm
	for perm, names := range groups {
		if have := len(groups[best]); len(names) > have || len(names) == have && perm < best {
			best = perm
		}
	}
	if names := groups[best]; len(names) >= manyFiles && b.fits(dir, best) {
		b.mergeAll(names, dir, best)
	}
}

// foldTree: many files that were only read, all over a folder's subfolders.
func (b *builder) foldTree(dir string) {
	var names []string
	files, branches := 0, map[string]bool{}
	for _, p := range b.below(dir) {
		n := b.nodes[p]
		if n.class() != policy.Read || n.kind&Special != 0 {
			continue
		}
		names = append(names, p)
		files += max(1, n.files)
		if branch, _, deeper := strings.Cut(strings.TrimPrefix(p, dir+"/"), "/"); deeper || n.kind&Folder != 0 || n.files > 0 {
			branches[branch] = true
		}
	}
	if files >= manyInTree && len(branches) >= manyBranches && b.fits(dir, policy.Read) {
		b.mergeAll(names, dir, policy.Read)
	}
}

// fits tells whether a folder has no rule yet, or one that gives just this.
func (b *builder) fits(dir string, perm policy.Perm) bool {
	n := b.nodes[dir]
	return n == nil || n.class() == perm
}

func (b *builder) mergeAll(names []string, dir string, perm policy.Perm) {
	for _, p := range names { // those above come first
		if !b.between(p, dir) {
			b.merge(p, dir)
		}
	}
	n := b.node(dir)
	n.kind |= Folder
	n.why = slices.DeleteFunc(n.why, func(s string) bool { return strings.HasSuffix(s, " "+used(perm)) })
	n.because(count(n.files, "file") + " " + used(perm))
}

// between tells whether another node lies between a path and a folder above it: a rule for the folder wouldn't count.
func (b *builder) between(p, dir string) bool {
	for p = path.Dir(p); p != dir; p = path.Dir(p) {
		if b.nodes[p] != nil {
			return true
		}
	}
	return false
}

// used says in words how files were used.
func used(perm policy.Perm) string {
	var words []string
	for _, w := range []struct {
		bit  policy.Perm
		word string
	}{{policy.Read, "read"}, {policy.Write, "written"}, {policy.Execute, "executed"}} {
		if perm&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	return "were " + strings.Join(words, " and ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// merge folds a node into the one of a folder above it.
func (b *builder) merge(p, dir string) {
	n, into := b.nodes[p], b.node(dir)
	for uid, perm := range n.need {
		into.add(uid, perm)
	}
	into.kind |= Folder | n.kind&Special
	if n.kind&Folder == 0 || n.files == 0 {
		into.files++
		into.patterns[pattern(path.Base(p))]++
	}
	into.files += n.files
	for pat, k := range n.patterns {
		into.patterns[pat] += k
	}
	delete(b.nodes, p)
}

// absorb drops nodes to which the rule above gives what they need, unless it would let somebody write or execute who
// didn't.
func (b *builder) absorb() {
	for _, p := range slices.Sorted(maps.Keys(b.nodes)) { // those above come first
		n := b.nodes[p]
		at, above := b.above(p)
		if above == nil || n.kind&Special != 0 || !b.covered(p, n, at, above) {
			continue
		}
		b.merge(p, at)
	}
}

// dropEqual drops nodes that give what the rule above gives.
func (b *builder) dropEqual() {
	for _, p := range slices.Sorted(maps.Keys(b.nodes)) {
		n := b.nodes[p]
		at, above := b.above(p)
		if above == nil || n.kind&Special != 0 {
			continue
		}
		if !slices.ContainsFunc(b.subjects(), func(uid uint32) bool { return b.gives(uid, p, n) != b.gives(uid, at, above) }) {
			b.merge(p, at)
		}
	}
}

func (b *builder) covered(p string, n *node, at string, above *node) bool {
	for _, uid := range b.subjects() {
		need, gives := n.need[uid], b.gives(uid, at, above)
		if need&^gives != 0 || gives&^(need|policy.Read|b.old.has(uid, p)) != 0 {
			return false
		}
	}
	return true
}

// above gives the nearest node above a path, unless a rule in force lies between.
func (b *builder) above(p string) (string, *node) {
	for p != "/" && !b.old.ruledAt(p) {
		p = path.Dir(p)
		if n := b.nodes[p]; n != nil {
			return p, n
		}
	}
	return "", nil
}
