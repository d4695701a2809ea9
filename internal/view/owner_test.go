package view

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const someUID, someGID = 12345, 23456

// as runs a shell script in a folder as a user. Errors of the script are part of the result.
func as(t *testing.T, uid, gid uint32, dir, script string) string {
	t.Helper()
	// Not cmd.Dir: this process would wait for itself in the child's chdir.
	cmd := exec.Command("/bin/bash", "-c", `cd "$FOLDER"; `+script)
	cmd.Env = append(os.Environ(), "FOLDER="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{777}}}
	out, err := cmd.CombinedOutput()
	return fmt.Sprint(string(out), err)
}

// look describes what is below a folder in a way that is the same for two folders with the same content.
func look(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		acl, caps := make([]byte, 200), make([]byte, 200)
		n, _ := unix.Lgetxattr(p, "system.posix_acl_access", acl)
		k, _ := unix.Lgetxattr(p, "security.capability", caps)
		rel, _ := filepath.Rel(dir, p)
		fmt.Fprintf(&b, "%s %o %d:%d acl %x caps %d\n", rel, st.Mode, st.Uid, st.Gid, acl[:max(n, 0)], max(k, 0))
		return err
	}))
	return b.String()
}

// prepare makes a folder in which everybody may do something.
func prepare(t *testing.T, dir string) {
	t.Helper()
	must(t, os.Chmod(dir, 0o777))
	for _, d := range []struct {
		name string
		mode uint32
		gid  int
	}{{"open", 0o777, 0}, {"group", 0o2777, 777}, {"foreign", 0o2777, 888}, {"sticky", 0o1777, 0}, {"acl", 0o777, 0}, {"closed", 0o755, 0}} {
		must(t, os.Mkdir(filepath.Join(dir, d.name), 0o700))
		must(t, os.Chown(filepath.Join(dir, d.name), 0, d.gid))
		must(t, unix.Chmod(filepath.Join(dir, d.name), d.mode))
	}
	// user::rwx, user:12345:rw-, group::r-x, mask::rwx, other::---
	acl := "\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x06\x00\x39\x30\x00\x00\x04\x00\x05\x00\xff\xff\xff\xff" +
		"\x10\x00\x07\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff"
	must(t, unix.Setxattr(filepath.Join(dir, "acl"), "system.posix_acl_default", []byte(acl), 0))
	put(t, filepath.Join(dir, "aclfile"), "secret")
	must(t, os.Chmod(filepath.Join(dir, "aclfile"), 0o600))
	must(t, unix.Setxattr(filepath.Join(dir, "aclfile"), "system.posix_acl_access", []byte(acl), 0))
	for name, owner := range map[string]int{"suid": 0, "own": someUID} {
		for i := range 5 {
			file := filepath.Join(dir, fmt.Sprint(name, i))
			put(t, file, "data")
			must(t, os.Chown(file, owner, 777))
			must(t, unix.Chmod(file, 0o6777))
			caps := "\x00\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
			must(t, unix.Setxattr(file, "security.capability", []byte(caps), 0))
		}
	}
}

// userScripts are run as somebody who isn't root.
var userScripts = []string{
	"for d in open group foreign sticky acl closed; do echo x > $d/f; mkdir $d/d; mkfifo $d/p; ln -s x $d/l; done",
	"umask 0; for d in open group foreign acl; do echo x > $d/f0; mkdir $d/d0; mkfifo $d/p0; done",
	"umask 077; for d in open group acl; do echo x > $d/f7; mkdir $d/d7; done",
	"umask 0; for d in open group foreign; do install -m 6755 /bin/true $d/set; done",
	"echo x >> suid0; truncate -s 1 suid1; : > suid2; dd if=/dev/zero of=suid3 conv=notrunc bs=1 count=1 status=none",
	"echo x >> own0; chmod 2755 own1; chgrp 777 own2; chmod g+s own3; chmod 4755 own4",
	"cat aclfile; echo more >> aclfile; chmod 777 aclfile; cat closed/f; rm aclfile; rm sticky/none",
	"chown 1 own0; chgrp 888 own0; chmod 777 suid0; touch suid1; touch -d 2001-01-01 suid2; touch -d 2001-01-01 own2",
	"ln suid0 hard; ln own0 hard; mv own1 open/moved; mv suid1 sticky/; rm sticky/suid1; mknod open/null c 1 3",
	"exec 3> open/late; chmod 0 open/late; echo late >&3; cat open/late",
}

// TestAsNatively: what users do through a view has the same outcome, owners, modes, ACLs and errors as without.
func TestAsNatively(t *testing.T) {
	for name, o := range map[string]Options{"passthrough": {}, "ordered": {Cached: true, Ordered: true}} {
		t.Run(name, func(t *testing.T) {
			native := openDir(t)
			prepare(t, native)
			o.Source = openDir(t)
			prepare(t, o.Source)
			m := attach(t, newServer(t), o)
			must(t, os.Chmod(filepath.Dir(m.point), 0o755))
			for _, s := range userScripts {
				a := as(t, someUID, someGID, native, s)
				b := as(t, someUID, someGID, m.point, s)
				want(t, "output of "+s, b, a)
				want(t, "outcome of "+s, look(t, o.Source), look(t, native))
				want(t, "look through the view after "+s, look(t, m.point), look(t, native))
			}
		})
	}
}

// openDir is a temporary folder that everybody can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o755))
	return dir
}

// TestOthersRemain: creation as a caller leaves the server's own threads as they were.
func TestOthersRemain(t *testing.T) {
	m := attach(t, newServer(t), Options{Source: openDir(t)})
	must(t, os.Chmod(filepath.Dir(m.point), 0o755))
	must(t, os.Chmod(m.back, 0o777))
	for i := range 50 {
		as(t, someUID, someGID, m.point, fmt.Sprintf("umask 0; mkdir d%d; echo > f%d", i, i))
	}
	umask := unix.Umask(0)
	unix.Umask(umask)
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	must(t, err)
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(b), "\n") {
			f := strings.Fields(line)
			if len(f) == 5 && f[0] == "Uid:" && f[4] != "0" || len(f) == 2 && f[0] == "Umask:" && f[1] != fmt.Sprintf("%04o", umask) {
				t.Errorf("%s: %s", task, line)
			}
		}
	}
	caps := currentPrivileges()
	want(t, "capabilities", caps, m.srv.priv)
}

// TestDevicesRefused: nobody makes a device node, not even root.
func TestDevicesRefused(t *testing.T) {
	m := attach(t, newServer(t), Options{})
	for _, mode := range []uint32{unix.S_IFCHR, unix.S_IFBLK} {
		wantErrno(t, "mknod", unix.Mknod(m.path("dev"), mode|0o600, int(unix.Mkdev(1, 3))), unix.EPERM)
	}
	must(t, unix.Mkfifo(m.path("fifo"), 0o600))
	must(t, unix.Mknod(m.path("sock"), unix.S_IFSOCK|0o600, 0))
}

// TestChownToSame: chown to nobody in particular takes set-id bits and file capabilities off, as on every file system.
func TestChownToSame(t *testing.T) {
	for _, o := range []Options{{}, {Cached: true, Ordered: true}} {
		m := attach(t, newServer(t), o)
		put(t, m.path("f"), "x")
		must(t, unix.Chmod(m.path("f"), 0o6755))
		must(t, unix.Chown(m.path("f"), -1, -1))
		var st unix.Stat_t
		must(t, unix.Stat(m.path("f"), &st))
		want(t, "mode", st.Mode, uint32(unix.S_IFREG|0o755))
		must(t, unix.Stat(m.back+"/f", &st))
		want(t, "mode behind", st.Mode, uint32(unix.S_IFREG|0o755))
	}
}

// TestTrustedNames: names of attributes for administrators are listed to nobody else, and the size fits the list.
func TestTrustedNames(t *testing.T) {
	m := attach(t, newServer(t), Options{})
	put(t, m.path("f"), "x")
	for _, name := range []string{"user.a", "trusted.t", "user.b"} {
		must(t, unix.Setxattr(m.path("f"), name, []byte("1"), 0))
	}
	list := func() string {
		size, err := unix.Listxattr(m.path("f"), nil)
		must(t, err)
		names := make([]byte, 100)
		n, err := unix.Listxattr(m.path("f"), names)
		must(t, err)
		want(t, "size", size, n)
		return string(names[:n])
	}
	if got := list(); !strings.Contains(got, "trusted.t\x00") {
		t.Errorf("an administrator sees %q", got)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	must(t, m.srv.priv.set(unix.CAP_SYS_ADMIN))
	defer m.srv.priv.restore()
	want(t, "what others see", len(list()), len("user.a\x00user.b\x00"))
	if got := list(); strings.Contains(got, "trusted") {
		t.Errorf("others see %q", got)
	}
}
