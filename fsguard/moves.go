package fsguard

import (
	"syscall"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

// rename needs write on both names and on what is replaced; and what moves must mean the same at both places for
// everybody, else EXDEV: the caller then copies, under the rules of both places.
func (r *Rules) rename(rules *node, c *hooks.Call) hooks.Verdict {
	from, to := spot{namesOf(c.Dir), c.Name}, spot{namesOf(c.NewDir), c.NewName}
	if len(from.dirs) == 0 || len(to.dirs) == 0 {
		return nameless
	}
	if v := r.place(rules, c.Dir, c.Name, policy.Write); v.Refused() {
		return v
	}
	if v := r.place(rules, c.NewDir, c.NewName, policy.Write); v.Refused() {
		return v
	}
	if c.NewFile != nil {
		if v := r.object(rules, c.NewFile, policy.Write); v.Refused() {
			return v
		}
	}
	if v := r.differ(from, to, isDir(c.File) || isDir(c.NewFile)); v.Refused() {
		return v
	}
	if isLink(c.File) {
		if v := r.leads(c.NewDir, c.NewName); v.Refused() {
			return v
		}
	}
	if isLink(c.NewFile) && c.Flags&unix.RENAME_EXCHANGE != 0 {
		return r.leads(c.Dir, c.Name)
	}
	if c.NewFile == nil || c.Flags&unix.RENAME_EXCHANGE != 0 {
		return hooks.Allow
	}
	return r.loosens(c.NewFile, c.NewDir, c.NewName)
}

// link needs write on the new name, and the file must mean the same there as it does by the names it has.
func (r *Rules) link(rules *node, c *hooks.Call) hooks.Verdict {
	if v := r.place(rules, c.NewDir, c.NewName, policy.Write); v.Refused() {
		return v
	}
	names, dirs := namesOf(c.File), namesOf(c.NewDir)
	if len(names) == 0 || len(dirs) == 0 {
		return nameless
	}
	if isLink(c.File) {
		if v := r.leads(c.NewDir, c.NewName); v.Refused() {
			return v
		}
	}
	return r.differ(spot{names, ""}, spot{dirs, c.NewName}, false)
}

// spot is a name in a directory that may be known by several names; without name, a file known by several.
type spot struct {
	dirs []string
	name string
}

func (s spot) allows(rules *node) policy.Perm {
	p := policy.Read | policy.Write | policy.Execute
	for _, d := range s.dirs {
		p &= rules.find(d, s.name).allows()
	}
	return p
}

func (s spot) rulesBelow(rules *node) bool {
	for _, d := range s.dirs {
		if rules.rulesBelow(d, s.name) {
			return true
		}
	}
	return false
}

// differ answers EXDEV if for any user the two spots mean different things, or, for a directory, if a rule is about
// something below one of them: what is inside would come under other rules, or from under them.
func (r *Rules) differ(from, to spot, dir bool) hooks.Verdict {
	for _, rules := range r.lists {
		if from.allows(rules) != to.allows(rules) || dir && (from.rulesBelow(rules) || to.rulesBelow(rules)) {
			a, b := join(from.dirs[0], from.name), join(to.dirs[0], to.name)
			return hooks.Verdict{
				Errno: syscall.EXDEV,
				Rule:  ruleOf(rules.find(b, "")),
				Path:  b,
				Hint:  "the same permissions on " + a + " and " + b,
			}
		}
	}
	return hooks.Allow
}

// loosens refuses to remove a name of a file if anybody had more on the file without it.
func (r *Rules) loosens(f, dir hooks.File, name string) hooks.Verdict {
	names, dirs := namesOf(f), namesOf(dir)
	if len(names) < 2 {
		return hooks.Allow
	}
	if len(dirs) == 0 {
		return nameless
	}
	all := spot{dirs: names}
	rest := spot{dirs: without(names, dirs, name)}
	if len(rest.dirs) == 0 {
		return hooks.Allow
	}
	for _, rules := range r.lists {
		if rest.allows(rules)&^all.allows(rules) != 0 {
			path := join(dirs[0], name)
			return hooks.Verdict{
				Errno: syscall.EACCES,
				Rule:  ruleOf(rules.find(path, "")),
				Path:  path,
				Hint:  "the same permissions on " + path + " and " + rest.dirs[0],
			}
		}
	}
	return hooks.Allow
}

// without gives the names that are not name in one of dirs.
func without(names, dirs []string, name string) []string {
	var rest []string
	for _, n := range names {
		gone := false
		for _, d := range dirs {
			gone = gone || n == join(d, name)
		}
		if !gone {
			rest = append(rest, n)
		}
	}
	return rest
}

func isDir(f hooks.File) bool { return f != nil && f.Type()&unix.S_IFMT == unix.S_IFDIR }
