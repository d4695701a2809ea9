package fsguard

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"klw/hooks"
	"klw/internal/policy"
)

// Names that meet each other's rules often.
var parts = []string{"a", "b", "aa", "c"}

func drawName(t *rapid.T, label string) string {
	list := rapid.SliceOfN(rapid.SampledFrom(parts), 0, 4).Draw(t, label)
	return "/" + strings.Join(list, "/")
}

// drawRules gives a list in which each path stands once.
func drawRules(t *rapid.T, label string, least policy.Perm) (text string) {
	seen := map[string]bool{}
	for range rapid.IntRange(0, 6).Draw(t, label) {
		path, perm := drawName(t, "path"), policy.Perm(rapid.IntRange(0, 7).Draw(t, "perm"))|least
		if !seen[path] {
			text += policy.FileRule{Path: path, Perm: perm}.String() + "\n"
		}
		seen[path] = true
	}
	return text
}

func drawPolicy(t *rapid.T) *policy.Policy {
	text := "application x\n@general\n" + drawRules(t, "general", policy.None)
	if rapid.Bool().Draw(t, "user") {
		text += "@user 1\n" + drawRules(t, "own", policy.Perm(1<<rapid.IntRange(0, 2).Draw(t, "least")))
	}
	p, err := policy.Parse("p", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func drawCall(t *rapid.T) *hooks.Call {
	c := &hooks.Call{Op: rapid.SampledFrom(hooks.Operations()).Draw(t, "op"), Caller: hooks.Caller{UID: uint32(rapid.IntRange(0, 1).Draw(t, "uid"))}}
	drawFile := func(label string) hooks.File {
		f := file(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return drawName(t, "name") }), 0, 2).Draw(t, label)...)
		f.typ = rapid.SampledFrom([]uint32{unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK}).Draw(t, "type")
		return f
	}
	drawDir := func() hooks.File { return dir(drawName(t, "dir")) }
	c.File, c.Dir, c.NewDir = drawFile("file"), drawDir(), drawDir()
	c.Name, c.NewName = rapid.SampledFrom(parts).Draw(t, "name"), rapid.SampledFrom(parts).Draw(t, "newName")
	if rapid.Bool().Draw(t, "replaces") || c.Op == hooks.OpCopyRange {
		c.NewFile = drawFile("newFile")
	}
	c.Flags = rapid.SampledFrom([]uint32{0, 1, 2, 3, unix.O_TRUNC, unix.O_WRONLY | unix.O_APPEND, unix.RENAME_EXCHANGE}).Draw(t, "flags")
	if c.Op == hooks.OpRename || c.Op == hooks.OpUnlink { // what the server tells: the object has the name that it is asked about
		at := join(c.Dir.Paths()[0], c.Name)
		c.File.(*fake).names = append(c.File.Paths(), at)
	}
	return c
}

// oracle is the rule for names written down anew, without trees: the longest rule above counts, those of equal length
// join.
func oracle(p *policy.Policy, uid uint32, name string) (perm policy.Perm) {
	longest := -1
	rules := p.General.Files
	for _, l := range p.PerUser {
		if l.User.ID == uid {
			rules = append(append([]policy.FileRule(nil), rules...), l.Files...)
		}
	}
	for _, r := range rules {
		if name != r.Path && r.Path != "/" && !strings.HasPrefix(name, r.Path+"/") {
			continue
		}
		if n := len(r.Path); n > longest {
			longest, perm = n, r.Perm
		} else if n == longest {
			perm |= r.Perm
		}
	}
	return perm
}

// TestNamesRandom compares the tree with the oracle.
func TestNamesRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		m := bindTo(t, p)
		for range 20 {
			uid, dir, name := uint32(rapid.IntRange(0, 2).Draw(t, "uid")), drawName(t, "dir"), rapid.SampledFrom(parts).Draw(t, "name")
			if got, want := m.Rules().of(uid).find(dir, "").allows(), oracle(p, uid, dir); got != want {
				t.Fatalf("%d %s: %v, want %v\n%s", uid, dir, got, want, p)
			}
			if got, want := m.Rules().of(uid).find(dir, name).allows(), oracle(p, uid, join(dir, name)); got != want {
				t.Fatalf("%d %s + %s: %v, want %v\n%s", uid, dir, name, got, want, p)
			}
		}
	})
}

func bindTo(t interface{ Fatal(...any) }, p *policy.Policy) *Module {
	m, _, err := newModule(p, root{}, people)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// named gives a module a name of its own, so that several fit into one master.
type named struct {
	*Module
	name string
}

func (n named) Info() hooks.Info {
	i := n.Module.Info()
	i.Name = n.name
	return i
}

// TestStackRandom puts one to three random policies into one real master: a call passes exactly if each would let it
// pass, the first that doesn't gives the errno, and it is told once.
func TestStackRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var told []string
		master := hooks.NewMaster(func(_ *hooks.Call, i hooks.Info, v hooks.Verdict) { told = append(told, i.Name+" "+v.Path) })
		var stack []named
		for i := range rapid.IntRange(1, 3).Draw(t, "modules") {
			m := named{bindTo(t, drawPolicy(t)), fmt.Sprint("m", i)}
			if _, err := master.Register(m); err != nil {
				t.Fatal(err)
			}
			stack = append(stack, m)
		}
		for range 10 {
			c := drawCall(t)
			var want syscall.Errno
			var teller []string
			for _, m := range stack {
				if v := m.Pre(c); m.Info().Monitors.Has(c.Op) && v.Refused() {
					want, teller = v.Errno, []string{m.name + " " + v.Path}
					break
				}
			}
			told = nil
			ran := false
			res := master.Run(c, func() hooks.Result { ran = true; return hooks.Result{} })
			if res.Errno != want || ran != (want == 0) || fmt.Sprint(told) != fmt.Sprint(teller) {
				t.Fatalf("%v: %v (ran %v, told %v), want %v (told %v)", c.Op, res.Errno, ran, told, want, teller)
			}
		}
	})
}

// TestMovesRandom wants that nobody gains or loses a right by a rename, link or unlink that is let through.
func TestMovesRandom(t *testing.T) {
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		text := "application x\n@general\nfile / write\n" + strings.ReplaceAll(drawRules(t, "general", policy.Write), "file / ", "file /z ")
		text += "@user 1\n" + strings.ReplaceAll(drawRules(t, "own", policy.Write), "file / ", "file /z ")
		p, err := policy.Parse("p", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		m := bindTo(t, p)
		for range 30 {
			c := drawCall(t)
			c.Op = rapid.SampledFrom([]hooks.Operation{hooks.OpRename, hooks.OpLink, hooks.OpUnlink}).Draw(t, "move")
			if names := c.File.Paths(); len(names) > 0 && c.Op != hooks.OpLink {
				c.Dir, c.Name = split(names[0])
			}
			if len(c.File.Paths()) > 0 && c.File.Paths()[0] != "/" && !m.Pre(c).Refused() {
				passed++
				sameRights(t, p, c)
			}
		}
	})
	if passed < 200 {
		t.Errorf("only %d moves were let through", passed)
	}
}

// sameRights compares what every user has before and after a move.
func sameRights(t *rapid.T, p *policy.Policy, c *hooks.Call) {
	to := join(c.NewDir.Paths()[0], c.NewName)
	before := c.File.Paths()
	var after []string
	switch c.Op {
	case hooks.OpRename:
		after = append(without(before, c.Dir.Paths(), c.Name), to)
	case hooks.OpLink:
		after = append(append(after, before...), to)
	case hooks.OpUnlink:
		after = without(before, c.Dir.Paths(), c.Name)
	}
	for uid := range uint32(2) {
		had, has := common(p, uid, before), common(p, uid, after)
		if len(after) > 0 && (has&^had != 0 || had != has && c.Op != hooks.OpUnlink) {
			t.Fatalf("%v %v -> %v: user %d had %v, has %v\n%s", c.Op, before, after, uid, had, has, p)
		}
		if c.Op == hooks.OpRename && c.NewFile != nil && c.Flags&unix.RENAME_EXCHANGE == 0 {
			rest := without(c.NewFile.Paths(), c.NewDir.Paths(), c.NewName)
			if had, has := common(p, uid, c.NewFile.Paths()), common(p, uid, rest); len(rest) > 0 && has&^had != 0 {
				t.Fatalf("replaced %v: user %d had %v, has %v\n%s", c.NewFile.Paths(), uid, had, has, p)
			}
		}
		for range 5 { // what lies below a directory that moves
			rest, from := strings.TrimPrefix(drawName(t, "below"), "/"), join(c.Dir.Paths()[0], c.Name)
			if c.Op != hooks.OpRename || !isDir(c.File) || rest == "" {
				break
			}
			if had, has := oracle(p, uid, join(from, rest)), oracle(p, uid, join(to, rest)); had != has {
				t.Fatalf("rename %s -> %s: %s: user %d had %v, has %v\n%s", from, to, rest, uid, had, has, p)
			}
		}
	}
}

// common is what all names allow.
func common(p *policy.Policy, uid uint32, names []string) policy.Perm {
	perm := policy.Read | policy.Write | policy.Execute
	for _, n := range names {
		perm &= oracle(p, uid, n)
	}
	return perm
}
