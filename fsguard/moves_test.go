package fsguard

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// rename makes the call that a server would make: the object by its name, and what the new name leads to.
func rename(uid uint32, from, to string, typ uint32, replaced hooks.File, flags uint32) *hooks.Call {
	f := file(from)
	f.typ = typ
	c := &hooks.Call{Op: hooks.OpRename, Caller: hooks.Caller{UID: uid}, File: f, NewFile: replaced, Flags: flags}
	c.Dir, c.Name = split(from)
	c.NewDir, c.NewName = split(to)
	return c
}

func split(p string) (hooks.File, string) {
	for i := len(p) - 1; ; i-- {
		if p[i] == '/' {
			return dir(p[:max(i, 1)]), p[i+1:]
		}
	}
}

func TestRename(t *testing.T) {
	m := guard(t, web)
	const reg, d, xchg = unix.S_IFREG, unix.S_IFDIR, unix.RENAME_EXCHANGE
	ok, acces, xdev := syscall.Errno(0), syscall.EACCES, syscall.EXDEV
	for i, c := range []struct {
		call *hooks.Call
		want syscall.Errno
	}{
		{rename(33, "/srv/a", "/srv/b", reg, nil, 0), ok},
		{rename(33, "/srv/a", "/srv/d/b", reg, nil, 0), ok},
		{rename(33, "/drop/a", "/drop2/b", reg, nil, 0), ok},
		{rename(33, "/srv/a", "/etc/b", reg, nil, 0), acces},
		{rename(33, "/etc/a", "/srv/b", reg, nil, 0), acces},
		{rename(33, "/srv/a", "/srv/static/b", reg, nil, 0), acces},
		{rename(33, "/srv/a", "/srv/secret", reg, nil, 0), acces},
		// Rights would be gained or lost.
		{rename(33, "/drop/a", "/srv/b", reg, nil, 0), xdev},
		{rename(33, "/srv/a", "/drop/b", reg, nil, 0), xdev},
		{rename(33, "/srv/a", "/drop/b", reg, file("/drop/b"), xchg), xdev},
		// For somebody else only: bob has what others don't at /srv/secret/bob.
		{rename(1000, "/srv/secret/bob/x", "/srv/y", reg, nil, 0), xdev},
		{rename(1000, "/home/bob/x", "/srv/secret/bob/y", reg, nil, 0), ok},
		{rename(1000, "/home/bob/x", "/srv/y", reg, nil, 0), xdev},
		// Subtrees that rules are about.
		{rename(33, "/srv/a", "/srv/b", d, nil, 0), ok},
		{rename(33, "/srv", "/drop", d, nil, 0), xdev},
		{rename(33, "/srv/secret", "/srv/b", d, nil, 0), acces},
		// What is replaced.
		{rename(33, "/srv/a", "/srv/b", reg, file("/srv/b"), 0), ok},
		{rename(33, "/srv/a", "/srv/b", reg, file("/srv/b", "/etc/b"), 0), acces},
		{rename(33, "/srv/a", "/srv/b", reg, file("/srv/b"), xchg), ok},
	} {
		if v := m.Pre(c.call); v.Errno != c.want {
			t.Errorf("%d: %+v", i, v)
		}
	}
}

// TestRenameSubtree moves directories that rules are about somewhere below, away and onto.
func TestRenameSubtree(t *testing.T) {
	m := guard(t, "@general\nfile /d read write\nfile /d/a/keys none\nfile /d/new/deep/hole none\n@user bob\nfile /d/b/mine execute\n")
	const reg, dirT, xchg = unix.S_IFREG, unix.S_IFDIR, unix.RENAME_EXCHANGE
	for i, c := range []struct {
		call *hooks.Call
		want syscall.Errno
	}{
		{rename(33, "/d/a", "/d/x", dirT, nil, 0), syscall.EXDEV},
		{rename(33, "/d/x", "/d/a", dirT, dir("/d/a"), 0), syscall.EXDEV},
		{rename(33, "/d/x", "/d/new", dirT, nil, 0), syscall.EXDEV},
		{rename(33, "/d/x", "/d/new/deep", dirT, nil, 0), syscall.EXDEV},
		{rename(33, "/d/x", "/d/newer", dirT, nil, 0), 0},
		{rename(33, "/d/x", "/d/a/y", dirT, nil, 0), 0},
		{rename(33, "/d/b", "/d/c", dirT, nil, 0), syscall.EXDEV}, // bob's rule
		{rename(33, "/d/x", "/d/a", reg, dir("/d/a"), xchg), syscall.EXDEV},
		{rename(33, "/d/x", "/d/new", reg, nil, 0), 0},
	} {
		if v := m.Pre(c.call); v.Errno != c.want {
			t.Errorf("%d: %+v", i, v)
		}
	}
}

func TestLink(t *testing.T) {
	m := guard(t, web)
	for i, c := range []struct {
		f    hooks.File
		to   string
		want syscall.Errno
	}{
		{file("/srv/a"), "/srv/b", 0},
		{file("/srv/a"), "/etc/b", syscall.EACCES},
		{file("/etc/shadow"), "/srv/b", syscall.EXDEV},
		{file("/unlisted"), "/srv/b", syscall.EXDEV},
		{file("/drop/a"), "/srv/b", syscall.EXDEV},
		{file("/drop/a"), "/drop2/b", 0},
		{file("/srv/a", "/etc/a"), "/srv/b", syscall.EXDEV},
		{file(), "/srv/b", syscall.EACCES},
		{&fake{former: []string{"/srv"}}, "/srv/b", 0}, // O_TMPFILE
		{&fake{former: []string{"/drop"}}, "/srv/b", syscall.EXDEV},
	} {
		call := &hooks.Call{Op: hooks.OpLink, Caller: hooks.Caller{UID: 33}, File: c.f}
		call.NewDir, call.NewName = split(c.to)
		if v := m.Pre(call); v.Errno != c.want {
			t.Errorf("%d: %+v", i, v)
		}
	}
}

// TestUnlinkLoosens wants a name kept that holds others back from more.
func TestUnlinkLoosens(t *testing.T) {
	m := guard(t, web)
	call := &hooks.Call{Op: hooks.OpUnlink, Dir: dir("/drop"), Name: "x", File: file("/drop/x", "/srv/x")}
	if v := m.Pre(call); v.Errno != syscall.EACCES || v.Path != "/drop/x" || v.Rule != "p:10" {
		t.Errorf("%+v", v)
	}
	call = &hooks.Call{Op: hooks.OpUnlink, Dir: dir("/srv"), Name: "x", File: file("/drop/x", "/srv/x")}
	if v := m.Pre(call); v.Refused() {
		t.Errorf("%+v", v)
	}
	over := rename(33, "/drop/y", "/drop/x", unix.S_IFREG, file("/drop/x", "/srv/x"), 0)
	if v := m.Pre(over); v.Errno != syscall.EACCES {
		t.Errorf("%+v", v)
	}
}
