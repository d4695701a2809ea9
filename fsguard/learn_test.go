package fsguard

import (
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"klw/hooks"
	"klw/internal/policy"
	"klw/internal/policy/learn"
)

// learnedFrom makes a policy of what a module has learned, as the guard does.
func learnedFrom(t testing.TB, text string, table *learn.Table) (string, *learn.Proposal) {
	t.Helper()
	old := parse(t, text)
	proposal, err := learn.Build(table.Uses(), learn.Options{
		Rules: old.RuleSet,
		UID:   func(u policy.User) (uint32, error) { return people.UID(u.String()) },
		Name:  people.Name,
	})
	if err != nil {
		t.Fatal(err)
	}
	return learn.Merge("application test\n"+text, old, proposal), proposal
}

// TestReplay: what a module let pass while it learned is allowed under what it learned, move for move.
func TestReplay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const text = "@general\nfile /srv/a read\n@user bob\nfile /srv/b/c write\n"
		m, table := guard(t, text), learn.NewTable(learn.MostUses)
		m.Learn(table)
		calls := rapid.SliceOfN(rapid.Custom(drawLearned), 1, 12).Draw(rt, "calls")
		for _, c := range calls {
			if v := m.Pre(c); v.Refused() {
				rt.Fatalf("refused while it learns: %s", c.Op)
			}
		}
		m.Enforce()
		next, proposal := learnedFrom(t, text, table)
		p, err := policy.Parse("learned", []byte(next))
		if err != nil {
			rt.Fatalf("%v\n%s", err, next)
		}
		after, _, err := newModule(p, root{}, people)
		if err != nil {
			rt.Fatalf("%v\n%s", err, next)
		}
		for _, c := range calls {
			if v := after.Pre(c); v.Refused() && len(proposal.Omitted) == 0 {
				rt.Fatalf("%s by %d is refused: %+v\ncall %+v\n%s", c.Op, c.Caller.UID, v, c, next)
			}
		}
	})
}

// drawLearned gives an operation on what could be there: f* are files, links l*, the rest are folders.
func drawLearned(t *rapid.T) *hooks.Call {
	folders := rapid.SampledFrom([]string{"/srv/a", "/srv/b", "/srv/b/c", "/opt/x"})
	name := rapid.SampledFrom([]string{"f1", "f2", "f77123", "l1", "d1"})
	thing := func() *fake {
		p := path.Join(folders.Draw(t, "folder"), name.Draw(t, "name"))
		switch path.Base(p)[0] {
		case 'l':
			return link(p)
		case 'd':
			return dir(p)
		}
		return file(p)
	}
	in := func(f *fake) (*fake, string) { return dir(path.Dir(f.names[0])), path.Base(f.names[0]) }
	op := rapid.SampledFrom([]hooks.Operation{
		hooks.OpOpen, hooks.OpExec, hooks.OpCreate, hooks.OpUnlink, hooks.OpRename, hooks.OpLink, hooks.OpSymlink, hooks.OpMkdir,
		hooks.OpChmod, hooks.OpGetxattr, hooks.OpTruncate, hooks.OpOpenDir,
	}).Draw(t, "op")
	f := thing()
	c := &hooks.Call{Op: op, Caller: hooks.Caller{UID: rapid.SampledFrom([]uint32{0, 33, 1000}).Draw(t, "user")}, File: f}
	c.Flags = rapid.SampledFrom([]uint32{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR}).Draw(t, "flags")
	switch op {
	case hooks.OpOpen, hooks.OpExec, hooks.OpTruncate:
		c.File = file(path.Join(folders.Draw(t, "folder"), "f1"))
	case hooks.OpOpenDir:
		c.File = dir(folders.Draw(t, "folder"))
	case hooks.OpCreate:
		c.Dir, c.Name = dir(folders.Draw(t, "folder")), "f2"
		c.File = nil
	case hooks.OpMkdir:
		c.Dir, c.Name, c.File = dir(folders.Draw(t, "folder")), "d1", nil
	case hooks.OpSymlink:
		c.Dir, c.Name, c.File = dir(folders.Draw(t, "folder")), "l1", nil
	case hooks.OpUnlink:
		c.Dir, c.Name = in(f)
	case hooks.OpLink:
		to := dir(folders.Draw(t, "folder"))
		c.File, c.NewDir, c.NewName = file(path.Join(folders.Draw(t, "folder"), "f1")), to, "f2"
	case hooks.OpRename:
		c.Flags = 0
		c.Dir, c.Name = in(f)
		c.NewDir, c.NewName = dir(folders.Draw(t, "folder")), c.Name
	}
	return c
}

// TestWhatIsLearned: who, which name, which permission, and what was peculiar.
func TestWhatIsLearned(t *testing.T) {
	m, table := guard(t, "@general\nfile /srv read\n"), learn.NewTable(6)
	m.Learn(table)
	for _, c := range []*hooks.Call{
		{Op: hooks.OpOpen, File: file("/srv/x", "/other/x")},
		{Op: hooks.OpReadlink, File: link("/lib")},
		{Op: hooks.OpMknod, Mode: unix.S_IFIFO, Dir: dir("/run"), Name: "fifo"},
		{Op: hooks.OpOpenDir, File: dir("/srv")},
		{Op: hooks.OpOpen, File: file()},
		{Op: hooks.OpGetxattr, Text: "security.capability", File: file("/asked/by/the/kernel")},
	} {
		if v := m.Pre(c); v.Refused() {
			t.Errorf("%s is refused: %+v", c.Op, v)
		}
	}
	if bits := m.limits(&fake{names: []string{"/run/socket"}, typ: unix.S_IFSOCK}); bits != mayAll {
		t.Errorf("a socket is limited to %d while the module learns", bits)
	}
	m.Pre(&hooks.Call{Op: hooks.OpOpen, File: file("/one/too/many")})
	u := table.Uses()
	var got []string
	for _, f := range u.Files {
		s := f.Path + " " + f.Perm.String()
		for bit, word := range map[learn.Kind]string{learn.Folder: " folder", learn.Listed: "", learn.Link: " link", learn.Made: "", learn.Special: " special"} {
			if f.Kind&bit != 0 {
				s += word
			}
		}
		if f.Kind&learn.Unlisted != 0 {
			s += " unlisted"
		}
		got = append(got, s)
	}
	slices.Sort(got)
	want := "/lib read link unlisted\n/other/x read unlisted\n/run/fifo write special unlisted\n/run/socket read write special unlisted\n/srv read folder\n/srv/x read unlisted"
	if strings.Join(got, "\n") != want || u.Nameless != 1 || u.Lost != 1 {
		t.Errorf("got:\n%s\nnameless %d, lost %d", strings.Join(got, "\n"), u.Nameless, u.Lost)
	}
	m.Enforce()
	if v := m.Pre(&hooks.Call{Op: hooks.OpOpen, File: file("/other/x")}); !v.Refused() || m.Learning() {
		t.Error("it doesn't enforce again")
	}
}

// TestLinkToTheKernelsMounts: a rule by the name of a link that leads there lets the link be read, and says so.
func TestLinkToTheKernelsMounts(t *testing.T) {
	views := root{links: map[string]string{"/etc/mtab": "/proc/mounts"}}
	m, warnings, err := newModule(parse(t, "@general\nfile /etc/mtab read\n"), views, people, Unviewed("/proc"))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].Text, "only lets the link be read") {
		t.Fatal(err, warnings)
	}
	if v := m.Pre(&hooks.Call{Op: hooks.OpReadlink, File: link("/etc/mtab")}); v.Refused() {
		t.Errorf("the link: %+v", v)
	}
	if v := m.Pre(&hooks.Call{Op: hooks.OpOpen, File: file("/proc/mounts")}); !v.Refused() {
		t.Error("where it leads is allowed")
	}
	if _, _, err := newModule(parse(t, "@general\nfile /etc/mtab read write\n"), views, people, Unviewed("/proc")); err == nil {
		t.Error("more than read is bound, which can't be enforced")
	}
}
