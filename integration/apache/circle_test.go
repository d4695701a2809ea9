package apache

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/audit"
)

// vault is where user 1000 of TestCircle has a circle.
const vault = `
@circle 1000
reserve /srv/vault read write
reserve /srv/users write
`

// withVault gives the bundle files that are reserved, and root all capabilities that would help.
func (b *box) withVault() {
	b.Helper()
	for path, text := range map[string]string{"rootfs/srv/vault/key": "the key", "rootfs/srv/users": "bob\n", "rootfs/srv/open": "o"} {
		b.must(os.MkdirAll(b.path("rootfs/srv/vault"), 0o777))
		b.write(path, text)
		b.must(os.Chown(b.path(path), 1000, 1000))
	}
	b.must(os.Chown(b.path("rootfs/srv/vault"), 1000, 1000))
	b.must(os.Chown(b.path("rootfs/srv"), 1000, 1000))
	b.editPolicy("users       root www-data", "users       root www-data 1000")
	b.editPolicy("# Content.", "file /srv read write execute\n# Content.")
	b.write("klw.policy", b.read("klw.policy")+vault)
	b.editConfig(func(s *specs.Spec) {
		for _, set := range []*[]string{&s.Process.Capabilities.Bounding, &s.Process.Capabilities.Permitted, &s.Process.Capabilities.Effective} {
			*set = append(*set, "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_CHOWN", "CAP_SETFCAP", "CAP_SYS_ADMIN", "CAP_KILL", "CAP_SYS_RESOURCE")
		}
		s.Process.Rlimits = append(s.Process.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_CORE", Soft: 1 << 30, Hard: 1 << 30})
		s.Linux.Seccomp = nil
	})
}

// TestCircle: what is reserved for a user is out of reach for root with every capability, by name, by becoming the user,
// and through the user's processes; the user gets at it by exec, and replaces files by rename, under protection still.
func TestCircle(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.withVault()
	r := b.run()
	if said := r.said(); !strings.Contains(said, "CAP_SYS_PTRACE is not granted under a policy with circles") {
		t.Errorf("klw-runc said %s", said)
	}
	const denied, notPermitted = "Permission denied", "Operation not permitted"
	root := func(script, want string) {
		t.Helper()
		if r := b.klw("exec", b.id, "bash", "-c", "exec 2>&1; "+script); strings.TrimSpace(r.out) != want && (want == "" || !strings.Contains(r.out, want)) {
			t.Errorf("%s: %q %s, want %q", script, r.out, r.errOut, want)
		}
	}
	owner := func(script, want string) {
		t.Helper()
		if r := b.klw("exec", "--user", "1000:1000", b.id, "bash", "-c", "exec 2>&1; "+script); strings.TrimSpace(r.out) != want {
			t.Errorf("the owner: %s: %q %s, want %q", script, r.out, r.errOut, want)
		}
	}
	attack := func() {
		t.Helper()
		root("cat /srv/vault/key", denied)
		root("ls /srv/vault", denied)
		root("cat /proc/1/root/srv/vault/key", denied)
		root("echo x >> /srv/users", denied)
		root("rm -f /srv/users", denied)
		root("chmod 666 /srv/users", denied)
		root("chown 0 /srv/users", denied)
		root("ln /srv/users /srv/second", denied)
		root("mv -f /srv/open /srv/users", denied)
		root("echo > /srv/vault/new", denied)
		root("mv /srv/vault /srv/away", denied)
		root(`perl -MPOSIX -e 'print POSIX::setuid(1000) ? "became it" : $!'`, notPermitted)
		root(`perl -e '$> = 1000; print $! if $> != 1000'`, notPermitted)
		root(`perl -e '$< = 1000; print $! if $< != 1000'`, notPermitted)
		root(`perl -e 'syscall(122, 1000); print "fsuid ", syscall(122, -1)'`, "fsuid 0") // setfsuid
		root(`perl -e 'syscall(105, 1000 + (1<<32)) == 0 ? print "became it" : print $!'`, notPermitted)
	}
	attack()
	owner("cat /srv/vault/key", "the key")
	owner("echo more > /srv/vault/more && mv /srv/vault/more /srv/vault/less && cat /srv/vault/less", "more")
	owner("echo eve > /srv/users.new && mv /srv/users.new /srv/users && cat /srv/users", "eve")
	owner(`perl -MPOSIX -e 'print POSIX::setuid(1000) ? "is it" : $!'`, "is it")
	owner("mv /srv/vault/less /srv/less && cat /srv/less && ls -A /srv/vault", "more\nkey") // copied
	attack()
	if got := b.read("rootfs/srv/users"); got != "eve\n" {
		t.Errorf("users: %q", got)
	}

	// Through a process of the owner's.
	mine := b.command("klw-runc", "exec", "--user", "1000:1000", b.id, "perl", "-e", `$| = 1; mkdir "/srv/dump"; chdir "/srv/dump" or print "no"; open(F, "+<", "/srv/vault/key"); print "$$\n"; sleep 60`)
	out, err := mine.StdoutPipe()
	b.must(err)
	b.must(mine.Start())
	defer func() { mine.Process.Kill(); mine.Wait() }()
	line := make([]byte, 20)
	n, err := out.Read(line)
	b.must(err)
	pid := strings.TrimSpace(string(line[:n]))
	root("ls -l /proc/"+pid+"/fd", denied)
	root("cat /proc/"+pid+"/fd/3", denied)
	root("ls /proc/"+pid+"/root/srv/vault", denied)
	root(`perl -e 'open(M, "+<", "/proc/`+pid+`/mem") or print $!'`, denied)
	root(`perl -e 'syscall(101, 16, `+pid+`, 0, 0) == 0 or print $!'`, notPermitted)                                                                           // ptrace
	root(`perl -e '$f = syscall(434, `+pid+`, 0); syscall(438, $f, 3, 0) >= 0 or print $!'`, notPermitted)                                                     // pidfd_getfd
	root(`perl -e '$b = "x" x 16; $v = pack("pQ", $b, 16); $w = pack("QQ", 4096, 16); syscall(311, `+pid+`, $v, 1, $w, 1, 0) >= 0 or print $!'`, notPermitted) // process_vm_writev
	root(`perl -e 'syscall(312, $$ + 0, `+pid+`, 0, 3, 3) >= 0 or print $!'`, notPermitted)                                                                    // kcmp

	// Through a core dump of it, which would lie where the process is, outside of the circle.
	root(`kill -SEGV `+pid+` && while kill -0 `+pid+`; do :; done; ls -A /srv/dump`, "No such process")
	if dumps, err := os.ReadDir(b.path("rootfs/srv/dump")); err != nil || len(dumps) > 0 {
		t.Errorf("the owner's memory lies in the open: %v %v", dumps, err)
	}

	rule := func(text string) string {
		for i, l := range strings.Split(b.read("klw.policy"), "\n") {
			if l == text {
				return "klw.policy:" + itoa(i+1)
			}
		}
		return ""
	}
	for _, want := range []audit.Event{
		{Module: "circles", Operation: "open", Path: "/srv/vault/key", Rule: rule("reserve /srv/vault read write")},
		{Module: "circles", Operation: "unlink", Path: "/srv/users", Rule: rule("reserve /srv/users write")},
		{Module: "circles", Operation: "rename", Path: "/srv/users", Rule: rule("reserve /srv/users write")},
		{Module: "seal", Operation: "setuid", Rule: rule("reserve /srv/vault read write")},
	} {
		if b.event(func(e audit.Event) bool {
			return e.Decision == audit.Refused && e.Module == want.Module && e.Operation == want.Operation && e.Path == want.Path && e.Rule == want.Rule && e.Hint != ""
		}) == nil {
			t.Errorf("no event %+v", want)
		}
	}
	r.stop(syscall.SIGTERM)
}

// TestSecondListing: a file that turns out to be in two circles is refused when the policy is loaded.
func TestSecondListing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.withVault()
	b.must(os.Link(b.path("rootfs/srv/users"), b.path("rootfs/srv/second")))
	b.write("klw.policy", b.read("klw.policy")+"@circle www-data\nreserve /srv/second write\n")
	r := b.start()
	b.complains(r, 1, strings.Count(r.errOut, "\n"), "reserve /srv/second write for www-data and reserve /srv/users write for 1000", "a file in one circle at most")
}
