package apache

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"klw/internal/audit"
)

// TestLearnedPolicy: Apache runs with next to no policy and is used; under the policy that was learned the same gives no
// refusal, and attacks are refused.
func TestLearnedPolicy(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.write("klw.policy", fmt.Sprintf("application apache\ncompartment web\npublish tcp %s -> 80\n\n@general\nsocket tcp listen :80 # published\n", b.address))
	b.write("rootfs/root/secret", "of root")
	build := exec.Command("go", "build", "-o", b.path("rootfs/attempt"), "./integration/attack/attempt")
	build.Dir, build.Env = top, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	r := b.launch(b.command("klw-runc", "run", "--learn", b.bundle))
	b.use()
	if s := b.ok(b.ctl("status", b.id)); !strings.Contains(s, "module files learns") || !strings.Contains(s, "module sockets learns") {
		t.Errorf("status doesn't say that the guard learns:\n%s", s)
	}
	diff := b.ok(b.ctl("policy", "learn", b.id, "--show"))
	for _, want := range []string{"+file /etc/apache2 read ", "+file /usr/sbin/apache2 execute", "+file /var/www/html/index.html read", "+@user www-data", "#"} {
		if !strings.Contains(diff, want) {
			t.Errorf("%q wasn't learned:\n%s", want, diff)
		}
	}
	b.ok(b.ctl("policy", "learn", b.id, "--write", b.path("learned.policy")))
	r.stop(syscall.SIGTERM)
	b.noRefusal()

	learned := b.read("learned.policy")
	b.ok(b.ctl("policy", "check", b.path("learned.policy")))
	// The attacker has got in.
	b.write("klw.policy", strings.Replace(learned, "@general\n", "@general\nfile /attempt read execute\n", 1))
	r = b.launch(b.command("klw-runc", "run", b.bundle))
	b.use()
	b.noRefusal()
	b.attacksFail()
	b.learnsLive()
	r.stop(syscall.SIGTERM)
}

// use does what a server is there for.
func (b *box) use() {
	b.Helper()
	b.eventually("Apache serves", func() bool { code, _ := b.get("/"); return code == 200 })
	b.remember()
	b.serves("/", page)
	if code, _ := b.get("/nothing"); code != 404 {
		b.Errorf("a page that doesn't exist: %d", code)
	}
	b.ok(b.klw("exec", b.id, "/usr/sbin/apache2", "-k", "graceful"))
	b.eventually("Apache has started anew", func() bool {
		return strings.Contains(b.read("rootfs/var/log/apache2/error.log"), "resuming normal operations")
	})
	b.serves("/", page)
}

func (b *box) noRefusal() {
	b.Helper()
	for _, e := range b.events() {
		if e.Decision == audit.Refused {
			b.Errorf("refused: %s %s%s by %s, uid %d, %s (%s | %s)", e.Operation, e.Path, e.Address, e.Module, e.UID, e.Comm, e.Rule, e.Hint)
		}
	}
}

func (b *box) attempt(user, name string, args ...string) result {
	b.Helper()
	return b.klw(append([]string{"exec", "--user", user, b.id, "/attempt", name}, args...)...)
}

// attacksFail tries some of the attack table.
func (b *box) attacksFail() {
	b.Helper()
	for _, a := range [][]string{
		{"0:0", "write-path"}, {"33:33", "read-refused"}, {"0:0", "read-refused"}, {"0:0", "list-refused"}, {"0:0", "create"},
		{"33:33", "connect-tcp", "192.0.2.1:25"}, {"0:0", "connect-udp", "192.0.2.1:53"},
	} {
		if got := b.attempt(a[0], a[1], a[2:]...); got.code != 1 || !strings.Contains(got.out, "permi") && !strings.Contains(got.out, "Permi") {
			b.Errorf("%v: exit code %d: %s%s", a, got.code, got.out, got.errOut)
		}
	}
	if got := b.exec("true"); got.code == 0 {
		b.Error("a shell that Apache never started could be executed")
	}
	b.serves("/", page)
	for _, path := range []string{"/var/www/html/index.html", "/root/secret"} {
		b.eventually("the refusal of "+path+" is told", func() bool {
			return b.event(func(e audit.Event) bool { return e.Decision == audit.Refused && e.Path == path }) != nil
		})
	}
}

// learnsLive: the guard of a running container learns, and the policy is loaded into it.
func (b *box) learnsLive() {
	b.Helper()
	b.ok(b.ctl("policy", "learn", b.id, "--start", "--module", "files"))
	if got := b.attempt("0:0", "read-refused"); got.code != 0 {
		b.Errorf("while it learns: %s%s", got.out, got.errOut)
	}
	b.ok(b.ctl("policy", "learn", b.id, "--stop", "--module", "files"))
	if got := b.attempt("0:0", "read-refused"); got.code != 1 {
		b.Errorf("after it has learned, before a load: %s%s", got.out, got.errOut)
	}
	b.ok(b.ctl("policy", "learn", b.id, "--module", "files", "--write", b.path("more.policy")))
	if text := b.read("more.policy"); !strings.Contains(text, "\nfile /root/secret read\n") {
		b.Errorf("learned:\n%s", text)
	}
	b.ok(b.ctl("policy", "load", b.id, b.path("more.policy")))
	if got := b.attempt("0:0", "read-refused"); got.code != 0 {
		b.Errorf("under the policy that was learned: %s%s", got.out, got.errOut)
	}
}
