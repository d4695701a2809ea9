package fsguard

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

const web = `@general
file /usr read execute
file /etc read
file /etc/ssl/private none
file /srv read write
file /srv/secret none
file /srv/secret/open read
file /srv/static read
file /drop write
file /drop2 write
file /bin/tool execute
@user root
file /etc/ssl/private read
@user bob
file /home/bob read write
file /srv/secret/bob read write
`

// TestOperations asks for one operation after the other.
func TestOperations(t *testing.T) {
	m := guard(t, web)
	const wronly, rdwr = unix.O_WRONLY, unix.O_RDWR
	allowed, refused := syscall.Errno(0), syscall.EACCES
	for i, c := range []struct {
		call hooks.Call
		want syscall.Errno
	}{
		{hooks.Call{Op: hooks.OpOpen, File: file("/etc/passwd")}, allowed},
		{hooks.Call{Op: hooks.OpOpen, File: file("/etc/passwd"), Flags: wronly}, refused},
		{hooks.Call{Op: hooks.OpOpen, File: file("/etc/passwd"), Flags: rdwr}, refused},
		{hooks.Call{Op: hooks.OpOpen, File: file("/etc/passwd"), Flags: 3}, refused},
		{hooks.Call{Op: hooks.OpOpen, File: file("/etc/passwd"), Flags: unix.O_TRUNC}, refused},
		{hooks.Call{Op: hooks.OpOpen, File: file("/drop/x"), Flags: wronly | unix.O_APPEND}, allowed},
		{hooks.Call{Op: hooks.OpOpen, File: file("/drop/x"), Flags: rdwr}, refused},
		{hooks.Call{Op: hooks.OpOpen, File: file("/drop/x")}, refused},
		{hooks.Call{Op: hooks.OpOpen, File: file("/var/x")}, refused},
		{hooks.Call{Op: hooks.OpOpen, File: file("/etcetera")}, refused},
		{hooks.Call{Op: hooks.OpOpen, File: file("/etc/ssl/private/key")}, refused},
		{hooks.Call{Op: hooks.OpOpen, File: file("/srv/secret/open/x")}, allowed},
		{hooks.Call{Op: hooks.OpOpen, File: file("/srv/secret/openx")}, refused},

		{hooks.Call{Op: hooks.OpExec, File: file("/usr/bin/ls")}, allowed},
		{hooks.Call{Op: hooks.OpExec, File: file("/bin/tool")}, allowed},
		{hooks.Call{Op: hooks.OpOpen, File: file("/bin/tool")}, refused},
		{hooks.Call{Op: hooks.OpExec, File: file("/srv/x")}, refused},
		{hooks.Call{Op: hooks.OpOpenDir, File: dir("/etc")}, allowed},
		{hooks.Call{Op: hooks.OpOpenDir, File: dir("/")}, refused},
		{hooks.Call{Op: hooks.OpOpenDir, File: dir("/drop")}, refused},

		{hooks.Call{Op: hooks.OpCreate, Dir: dir("/srv"), Name: "x", Flags: rdwr}, allowed},
		{hooks.Call{Op: hooks.OpCreate, Dir: dir("/srv"), Name: "secret", Flags: wronly}, refused},
		{hooks.Call{Op: hooks.OpCreate, Dir: dir("/srv/secret"), Name: "x", Flags: wronly}, refused},
		{hooks.Call{Op: hooks.OpCreate, Dir: dir("/drop"), Name: "x", Flags: wronly}, allowed},
		{hooks.Call{Op: hooks.OpCreate, Dir: dir("/drop"), Name: "x", Flags: rdwr}, refused},
		{hooks.Call{Op: hooks.OpCreate, Dir: dir("/"), Name: "drop", Flags: wronly}, allowed},
		{hooks.Call{Op: hooks.OpCreate, Dir: dir("/"), Name: "x", Flags: wronly}, refused},
		{hooks.Call{Op: hooks.OpCreate, Dir: dir("/srv/d", "/etc/d"), Name: "x", Flags: wronly}, refused},
		{hooks.Call{Op: hooks.OpCreate, Dir: dir(), Name: "x", Flags: wronly}, refused},
		{hooks.Call{Op: hooks.OpTmpfile, Dir: dir("/srv"), Flags: rdwr}, allowed},
		{hooks.Call{Op: hooks.OpTmpfile, Dir: dir("/etc"), Flags: rdwr}, refused},
		{hooks.Call{Op: hooks.OpMkdir, Dir: dir("/srv"), Name: "d"}, allowed},
		{hooks.Call{Op: hooks.OpMkdir, Dir: dir("/etc"), Name: "d"}, refused},
		{hooks.Call{Op: hooks.OpMknod, Dir: dir("/srv"), Name: "d"}, allowed},
		{hooks.Call{Op: hooks.OpMknod, Dir: dir("/usr"), Name: "d"}, refused},
		{hooks.Call{Op: hooks.OpSymlink, Dir: dir("/srv"), Name: "d", Text: "/etc/shadow"}, allowed},
		{hooks.Call{Op: hooks.OpSymlink, Dir: dir("/srv/static"), Name: "d"}, refused},
		{hooks.Call{Op: hooks.OpUnlink, Dir: dir("/srv"), Name: "x", File: file("/srv/x")}, allowed},
		{hooks.Call{Op: hooks.OpUnlink, Dir: dir("/etc"), Name: "passwd", File: file("/etc/passwd")}, refused},
		{hooks.Call{Op: hooks.OpRmdir, Dir: dir("/srv"), Name: "d", File: dir("/srv/d")}, allowed},
		{hooks.Call{Op: hooks.OpRmdir, Dir: dir("/srv"), Name: "static", File: dir("/srv/static")}, refused},

		{hooks.Call{Op: hooks.OpReadlink, File: link("/usr/link")}, allowed},
		{hooks.Call{Op: hooks.OpReadlink, File: link("/var/run")}, refused},
		{hooks.Call{Op: hooks.OpTruncate, File: file("/srv/x")}, allowed},
		{hooks.Call{Op: hooks.OpTruncate, File: file("/etc/x")}, refused},
		{hooks.Call{Op: hooks.OpTruncate, File: file("/etc/x"), Attr: hooks.Attr{Handle: true}}, allowed},
		{hooks.Call{Op: hooks.OpChmod, File: file("/srv/x")}, allowed},
		{hooks.Call{Op: hooks.OpChmod, File: file("/etc/x"), Attr: hooks.Attr{Handle: true}}, refused},
		{hooks.Call{Op: hooks.OpChown, File: file("/srv/x")}, allowed},
		{hooks.Call{Op: hooks.OpChown, File: file("/etc/x")}, refused},
		{hooks.Call{Op: hooks.OpUtimes, File: file("/srv/x")}, allowed},
		{hooks.Call{Op: hooks.OpUtimes, File: file("/etc/x")}, refused},
		{hooks.Call{Op: hooks.OpGetxattr, File: file("/etc/x"), Text: "user.x"}, allowed},
		{hooks.Call{Op: hooks.OpGetxattr, File: file("/drop/x")}, refused},
		{hooks.Call{Op: hooks.OpGetxattr, File: dir("/"), Text: "system.posix_acl_access"}, allowed},
		{hooks.Call{Op: hooks.OpGetxattr, File: file("/bin/tool"), Text: "security.capability"}, allowed},
		{hooks.Call{Op: hooks.OpSetxattr, File: file("/srv/x"), Text: "user.x"}, allowed},
		{hooks.Call{Op: hooks.OpSetxattr, File: file("/etc/x"), Text: "user.x"}, refused},
		{hooks.Call{Op: hooks.OpSetxattr, File: dir("/"), Text: "system.posix_acl_access"}, refused},
		{hooks.Call{Op: hooks.OpRemovexattr, File: file("/srv/x")}, allowed},
		{hooks.Call{Op: hooks.OpRemovexattr, File: file("/etc/x")}, refused},
		{hooks.Call{Op: hooks.OpIoctl, File: file("/drop/x"), Flags: unix.TCGETS}, allowed},
		{hooks.Call{Op: hooks.OpIoctl, File: file("/etc/x"), Flags: unix.FS_IOC_GETFLAGS}, allowed},
		{hooks.Call{Op: hooks.OpIoctl, File: file("/drop/x"), Flags: unix.FS_IOC_GETFLAGS}, refused},
		{hooks.Call{Op: hooks.OpIoctl, File: file("/etc/x"), Flags: unix.FS_IOC_SETFLAGS}, refused},
		{hooks.Call{Op: hooks.OpIoctl, File: file("/srv/x"), Flags: unix.FS_IOC_SETFLAGS}, allowed},
		{hooks.Call{Op: hooks.OpIoctl, File: file("/etc/x"), Flags: 0x12345678}, refused},
	} {
		c.call.Caller.UID = 33
		if v := m.Pre(&c.call); v.Errno != c.want {
			t.Errorf("%d: %v %v %v/%s flags %#x: %+v", i, c.call.Op, c.call.File, c.call.Dir, c.call.Name, c.call.Flags, v)
		}
	}
}

// TestTable wants every operation in the table, and a reason for each that needs nothing.
func TestTable(t *testing.T) {
	for _, op := range hooks.Operations() {
		n, ok := needs[op]
		switch {
		case !ok:
			t.Errorf("%v is not in the table", op)
		case n.on == unneeded && n.why == "":
			t.Errorf("%v needs nothing: why?", op)
		case (n.on == object || n.on == place) && n.perm == nil:
			t.Errorf("%v: which permission?", op)
		case monitored.Has(op) != (n.on != unneeded):
			t.Errorf("%v is monitored: %v", op, monitored.Has(op))
		}
	}
	if len(needs) != len(hooks.Operations()) {
		t.Error("the table has operations that don't exist")
	}
}

// TestNames wants the intersection of what all names allow, and objects without a name decided by those they had.
func TestNames(t *testing.T) {
	m := guard(t, web)
	for i, c := range []struct {
		f    hooks.File
		need policy.Perm
		want bool
	}{
		{file("/srv/x", "/etc/x"), policy.Read, true},
		{file("/srv/x", "/etc/x"), policy.Write, false},
		{file("/etc/x", "/srv/x"), policy.Write, false},
		{file("/srv/x", "/srv/y"), policy.Write, true},
		{file("/srv/x", "/drop/x"), policy.Read, false},
		{file("/srv/x", "/drop/x"), policy.Write, true},
		{file("/srv/x", "/unlisted"), policy.Read, false},
		{file(), policy.Read, false},
		{nil, policy.Read, false},
		{&fake{former: []string{"/srv/x"}}, policy.Write, true},
		{&fake{former: []string{"/srv/x", "/etc/x"}}, policy.Write, false},
		{&fake{names: []string{"/srv/x"}, former: []string{"/etc/x"}}, policy.Write, true},
	} {
		if v := m.Rules().object(m.Rules().general, c.f, c.need); v.Refused() == c.want {
			t.Errorf("%d: %v %v: %+v", i, c.f, c.need, v)
		}
	}
}

func TestUsers(t *testing.T) {
	m := guard(t, web)
	for i, c := range []struct {
		uid  uint32
		path string
		need policy.Perm
		want bool
	}{
		{0, "/etc/ssl/private/key", policy.Read, true},
		{33, "/etc/ssl/private/key", policy.Read, false},
		{1000, "/etc/ssl/private/key", policy.Read, false},
		{0, "/etc/ssl/private/key", policy.Write, false},
		{0, "/home/bob/x", policy.Read, false},
		{1000, "/home/bob/x", policy.Write, true},
		{1000, "/etc/passwd", policy.Read, true},
		{1000, "/srv/secret/x", policy.Read, false},
		{1000, "/srv/secret/bob", policy.Write, true},
		{0, "/srv/secret/bob", policy.Write, false},
	} {
		v := m.Rules().object(m.Rules().of(c.uid), file(c.path), c.need)
		if v.Refused() == c.want {
			t.Errorf("%d: %+v", i, v)
		}
	}
}

// TestEqualPathsJoin wants the permissions of both lists for one path together.
func TestEqualPathsJoin(t *testing.T) {
	m := guard(t, "@general\nfile /a read\nfile /b none\n@user bob\nfile /a write\nfile /b read\n@user 1000\nfile /a execute\n")
	if got := m.Rules().of(1000).find("/a", "").perm; got != policy.Read|policy.Write|policy.Execute {
		t.Error(got)
	}
	if got := m.Rules().of(1000).find("/b/x", "").perm; got != policy.Read {
		t.Error(got)
	}
	if got := m.Rules().of(5).find("/a", "").perm; got != policy.Read {
		t.Error(got)
	}
}

// TestVerdict wants the rule that decided, the name and the smallest change.
func TestVerdict(t *testing.T) {
	m := guard(t, web)
	open := func(f hooks.File, flags uint32) hooks.Verdict {
		return m.Pre(&hooks.Call{Op: hooks.OpOpen, Caller: hooks.Caller{UID: 33}, File: f, Flags: flags})
	}
	for i, c := range []struct{ got, want hooks.Verdict }{
		{open(file("/var/x y"), 0), hooks.Verdict{Errno: unix.EACCES, Rule: "no rule", Path: "/var/x y", Hint: `file "/var/x y" read`}},
		{open(file("/etc/x"), unix.O_RDWR), hooks.Verdict{Errno: unix.EACCES, Rule: "p:4", Path: "/etc/x", Hint: "file /etc/x read write"}},
		{open(file("/srv/x", "/etc/x"), unix.O_WRONLY), hooks.Verdict{Errno: unix.EACCES, Rule: "p:4", Path: "/etc/x", Hint: "file /etc/x read write"}},
		{open(file("/etc/ssl/private/k"), 0), hooks.Verdict{Errno: unix.EACCES, Rule: "p:5", Path: "/etc/ssl/private/k", Hint: "file /etc/ssl/private/k read"}},
		{open(file(), 0), hooks.Verdict{Errno: unix.EACCES, Rule: "no rule"}},
		{m.Pre(&hooks.Call{Op: hooks.OpMkdir, Dir: dir("/"), Name: "new"}), hooks.Verdict{Errno: unix.EACCES, Rule: "no rule", Path: "/new", Hint: "file /new write"}},
	} {
		if c.got != c.want {
			t.Errorf("%d: %+v\nwant %+v", i, c.got, c.want)
		}
	}
}
