package learn_test

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"klw/fsguard"
	"klw/hooks"
	"klw/internal/inode"
	"klw/internal/policy"
	"klw/internal/policy/learn"
)

// The world in which applications are made up.
var (
	folders = []string{
		"/", "/etc", "/etc/app", "/etc/app/d", "/usr", "/usr/lib", "/usr/lib/x", "/usr/lib/x/y", "/usr/lib/x/z", "/srv", "/srv/a",
		"/srv/a/b", "/srv/a/b/c", "/srv/out", "/tmp", "/var", "/var/log", "/var/log/app",
	}
	names    = []string{"f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "tmpA1b2C3", "log.12345", `odd "name`}
	symlinks = map[string]string{
		"/lib": "/usr/lib", "/srv/cur": "/srv/a", "/etc/app/l": "/usr/lib/x/f1", "/usr/lib/x/l": "/usr/lib/x/y/l2", "/usr/lib/x/y/l2": "/usr/lib/x/f2",
		"/etc/mtab": "/proc/mounts", "/srv/a/none": "/srv/nothing",
	}
	users = []string{"root", "www", "bob"}
)

// world resolves paths for fsguard, and knows the users.
type world struct{}

type thing struct {
	path string
	typ  uint32
}

func (f thing) Key() inode.Key  { return inode.Key{} }
func (f thing) Paths() []string { return []string{f.path} }
func (f thing) Type() uint32    { return f.typ }

func (world) Follow(p string) (hooks.File, string, []string, error) {
	at, via := follow(symlinks, p)
	return thing{at, unix.S_IFREG}, at, via, nil
}
func (world) Unpin(hooks.File) {}
func (world) UID(name string) (uint32, error) {
	if id, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(id), nil
	}
	return people[name], nil
}

// application is one that was made up, and the policy that was in force.
type application struct {
	policy string
	uses   learn.Uses
}

func drawApplication(t *rapid.T) application {
	table := learn.NewTable(learn.MostUses)
	active := users[:rapid.IntRange(1, 3).Draw(t, "users")]
	who := func() uint32 { return people[rapid.SampledFrom(active).Draw(t, "user")] }
	folder := rapid.SampledFrom(folders)
	file := func() string {
		return path.Join(folder.Draw(t, "folder"), rapid.SampledFrom(names).Draw(t, "name"))
	}
	perm := rapid.SampledFrom([]policy.Perm{1, 1, 1, 2, 3, 4, 5})
	for range rapid.IntRange(0, 25).Draw(t, "uses") {
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		default:
			table.Add(learn.Use{User: who(), Path: file(), Perm: perm.Draw(t, "perm")})
		case 0:
			table.Add(learn.Use{User: who(), Path: file(), Perm: policy.Read | policy.Write, Kind: learn.Made})
		case 1:
			table.Add(learn.Use{User: who(), Path: folder.Draw(t, "folder"), Perm: policy.Read, Kind: learn.Folder | learn.Listed})
		case 2:
			kind := rapid.SampledFrom([]learn.Kind{learn.Folder, learn.Folder | learn.Made}).Draw(t, "kind")
			table.Add(learn.Use{User: who(), Path: folder.Draw(t, "folder"), Perm: policy.Write, Kind: kind})
		case 3, 4: // a whole folder
			uid, dir, p := who(), folder.Draw(t, "folder"), perm.Draw(t, "perm")
			for _, name := range names[:10] {
				table.Add(learn.Use{User: uid, Path: path.Join(dir, name), Perm: p})
			}
		case 5:
			link := rapid.SampledFrom(sorted(symlinks)).Draw(t, "link")
			table.Add(learn.Use{User: who(), Path: link, Perm: policy.Read, Kind: learn.Link})
		case 6:
			link := rapid.SampledFrom(sorted(symlinks)).Draw(t, "link")
			table.Add(learn.Use{User: who(), Path: link, Perm: policy.Write, Kind: learn.Link | learn.Made})
		case 7:
			a, b, uid := file(), file(), who()
			table.Add(learn.Use{User: uid, Path: a, Perm: policy.Write})
			table.Add(learn.Use{User: uid, Path: b, Perm: policy.Write, Kind: learn.Made})
			table.Tie(learn.Tie{A: a, B: b})
		case 8:
			table.Add(learn.Use{User: learn.Everybody, Path: path.Join(folder.Draw(t, "folder"), "socket"), Perm: policy.Read | policy.Write, Kind: learn.Special})
		}
	}
	return application{drawPolicy(t), table.Uses()}
}

func sorted(m map[string]string) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// drawPolicy gives a policy without contradictions.
func drawPolicy(t *rapid.T) string {
	text := "application made-up\n"
	for _, head := range []string{"@general", "@user www", "@user root"} {
		text += head + "\n"
		for _, dir := range rapid.SliceOfNDistinct(rapid.SampledFrom(folders[1:]), 0, 3, rapid.ID).Draw(t, head) {
			words := []string{"none", "read", "read write", "read execute", "read immutable"}
			if head != "@general" {
				words = words[1:4]
			}
			text += "file " + dir + " " + rapid.SampledFrom(words).Draw(t, "words") + "\n"
		}
	}
	return text
}

// TestLearnedPolicy holds Build and Merge to their guarantees, with fsguard's own answers.
func TestLearnedPolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app := drawApplication(t)
		old, err := policy.Parse("old", []byte(app.policy))
		if err != nil {
			return // this policy contradicts itself
		}
		before, _, err := fsguard.Bind(old.RuleSet, world{}, world{}, fsguard.Unviewed("/proc"))
		if err != nil {
			return // this policy contradicts itself
		}
		proposal, err := learn.Build(app.uses, options(old, symlinks))
		if err != nil {
			t.Fatal(err)
		}
		text := learn.Merge(app.policy, old, proposal)
		p, err := policy.Parse("new", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		after, _, err := fsguard.Bind(p.RuleSet, world{}, world{}, fsguard.Unviewed("/proc"))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		j := &judge{T: t, before: before, after: after, reasons: reasons(p, text), uses: app.uses, omitted: proposal.Omitted, text: text}
		j.allowsWhatWasUsed()
		j.allowsNothingElse()
		j.tiesHold()
		if j.apart() {
			return
		}
		// Learning the same again changes nothing but remarks.
		again, err := learn.Build(app.uses, options(p, symlinks))
		if err != nil {
			t.Fatal(err)
		}
		if !again.Empty() {
			j.wrong("it isn't done after one time: %s", learn.Merge(text, p, again))
		}
	})
}

type judge struct {
	*rapid.T
	before, after *fsguard.Rules
	reasons       map[string]bool // rules that say why they cover more
	uses          learn.Uses
	omitted       []string
	text          string
}

func (j *judge) wrong(format string, args ...any) {
	j.Helper()
	j.Fatalf("%s\nuses %+v\nnew policy:\n%s", fmt.Sprintf(format, args...), j.uses, j.text)
}

func (j *judge) ask(r *fsguard.Rules, user, file string, perm policy.Perm) fsguard.Answer {
	a, err := r.Explain(user, file, perm)
	if err != nil {
		j.Fatal(err)
	}
	return a
}

// left tells whether a use was left out on purpose.
func (j *judge) left(u learn.Use) bool {
	return slices.ContainsFunc(j.omitted, func(s string) bool {
		return strings.Contains(s, " "+strings.TrimSuffix(strings.TrimPrefix(policy.FileRule{Path: u.Path}.String(), "file "), " none")+":")
	})
}

func (j *judge) allowsWhatWasUsed() {
	m := fsguard.NewModule("files", j.after)
	for _, u := range j.uses.Files {
		if j.left(u) {
			continue
		}
		if u.Kind&learn.Link != 0 {
			c := &hooks.Call{Op: hooks.OpReadlink, Caller: hooks.Caller{UID: u.User}, File: thing{u.Path, unix.S_IFLNK}}
			if u.Perm == policy.Write {
				c = &hooks.Call{Op: hooks.OpSymlink, Caller: hooks.Caller{UID: u.User}, Dir: thing{path.Dir(u.Path), unix.S_IFDIR}, Name: path.Base(u.Path)}
			}
			if v := m.Pre(c); v.Refused() {
				j.wrong("%s of %s by %d is refused (%s)", c.Op, u.Path, u.User, v.Rule)
			}
			continue
		}
		for _, user := range j.names(u.User) {
			if a := j.ask(j.after, user, u.Path, u.Perm); !a.Allowed {
				j.wrong("%s", a)
			}
		}
	}
}

func (j *judge) names(uid uint32) []string {
	if uid == learn.Everybody {
		return append(users, "77")
	}
	return []string{strconv.FormatUint(uint64(uid), 10)}
}

// allowsNothingElse asks about everything there is.
func (j *judge) allowsNothingElse() {
	for _, dir := range folders {
		for _, name := range append([]string{"", "new", "socket"}, names...) {
			for _, user := range append(users, "77") {
				for _, perm := range []policy.Perm{policy.Read, policy.Write, policy.Execute} {
					j.changed(user, path.Join(dir, name), perm)
				}
			}
		}
	}
}

func (j *judge) changed(user, file string, perm policy.Perm) {
	was, is := j.ask(j.before, user, file, perm), j.ask(j.after, user, file, perm)
	switch {
	case was.Allowed && !is.Allowed:
		j.wrong("was allowed: %s", is)
	case was.Allowed == is.Allowed:
	case strings.HasSuffix(was.Line, " none"):
		j.wrong("was closed on purpose by %s: %s", was.Line, is)
	default:
		if !j.reasons[is.Rule] && !j.used(user, file, perm) {
			j.wrong("nobody used it and nothing says why: %s", is)
		}
	}
}

// reasons gives the rules of a policy, as events name them, about whose path a reason stands somewhere.
func reasons(p *policy.Policy, text string) map[string]bool {
	lines, paths := strings.Split(text, "\n"), map[string]bool{}
	told := map[string]bool{}
	for range 2 { // first the paths, then the rules
		for _, l := range append([]policy.UserRules{{Rules: p.General}}, p.PerUser...) {
			for _, r := range l.Files {
				at, _ := follow(symlinks, r.Path)
				paths[at] = paths[at] || strings.Contains(lines[r.Pos.Line-1], " # ")
				told[r.Pos.Rule()] = paths[at]
			}
		}
	}
	return told
}

// used tells whether a user did that, or two others did, or there was one only.
func (j *judge) used(user, file string, perm policy.Perm) bool {
	by, active := map[uint32]bool{}, map[uint32]bool{}
	for _, u := range j.uses.Files {
		if u.User != learn.Everybody {
			active[u.User] = true
		}
		if u.Path == file && u.Perm&perm != 0 {
			by[u.User] = true
		}
	}
	uid, _ := world{}.UID(user)
	return by[uid] || by[learn.Everybody] || len(by) > 1 || len(active) == 1 && len(by) == 1
}

// apart tells whether the policy in force keeps places apart that should mean the same.
func (j *judge) apart() bool {
	return slices.ContainsFunc(j.omitted, func(s string) bool { return strings.Contains(s, "EXDEV") })
}

func (j *judge) tiesHold() {
	if j.apart() {
		return
	}
	for _, tie := range j.uses.Ties {
		for _, user := range append(users, "77") {
			a, b := j.ask(j.after, user, tie.A, policy.Read), j.ask(j.after, user, tie.B, policy.Read)
			if a.Has != b.Has {
				j.wrong("%s has %s on %s and %s on %s", user, a.Has, tie.A, b.Has, tie.B)
			}
		}
	}
}
