package apache

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/layout"
)

// start is the command that bad input is given to.
func (b *box) start() result { b.Helper(); return b.klw("run", b.bundle) }

func TestBadBundle(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	config, policy := b.read("config.json"), b.read("klw.policy")
	again := func() { b.write("config.json", config); b.write("klw.policy", policy) }

	b.must(os.Remove(b.path("config.json")))
	b.refused(b.start(), 1, "bundle "+b.bundle+": config.json is missing")
	again()

	b.write("config.json", config[:len(config)/2])
	b.refused(b.start(), 1, "config.json:")
	again()

	b.editConfig(func(s *specs.Spec) {
		s.Version, s.Process.Args, s.Process.Cwd, s.Mounts[0].Destination = "2.0.0", nil, "tmp", "proc"
	})
	b.complains(b.start(), 1, 4,
		"klw-runc: config.json: ociVersion: version 2.0.0 is not supported, expected 1.x\n",
		"klw-runc: config.json: process.args: is empty",
		`klw-runc: config.json: process.cwd: "tmp" is not absolute`,
		`klw-runc: config.json: mounts[0].destination: "proc" is not absolute`)
	again()

	b.editPolicy("users       root", "users       rooot:x")
	b.editPolicy("file /usr              read execute", "file /usr              raed execute")
	b.editPolicy("socket tcp connect [::1]:80", "socket tcp dance   [::1]:80")
	b.editPolicy("/var/www/html -> backup", "/var/www/html => backup")
	line := func(text string) string {
		before, _, ok := strings.Cut(b.read("klw.policy"), text)
		if !ok {
			t.Fatalf("no %q", text)
		}
		rows := strings.Split(before, "\n")
		return b.path("klw.policy") + ":" + itoa(len(rows)) + ":" + itoa(len(rows[len(rows)-1])+1) + ": "
	}
	b.complains(b.start(), 1, 4, line("rooot:x"), line("raed"), line("dance"), line("/var/www/html =>"), "expected none, read, write, execute, immutable or revocable")
	if r := b.ctl("policy", "check", b.path("klw.policy")); r.code != 6 || strings.Count(r.out, "\n") != 4 || !strings.Contains(r.out, line("raed")) {
		t.Errorf("policy check: exit code %d, %s", r.code, r.out)
	}
	again()

	b.editConfig(func(s *specs.Spec) { s.Annotations = map[string]string{"io.klw.polcy": "web"} })
	b.refused(b.start(), 1, `config.json: annotations: unknown annotation "io.klw.polcy", expected io.klw.policy`)
	again()

	b.must(os.Remove(b.path("klw.policy")))
	b.editConfig(func(s *specs.Spec) { s.Annotations = map[string]string{"io.klw.policy": "../web"} })
	b.refused(b.start(), 1, `annotation io.klw.policy: "../web" is not a policy's name`)
	b.editConfig(func(s *specs.Spec) { s.Annotations = map[string]string{"io.klw.policy": "web"} })
	b.refused(b.start(), 1, layout.Root(b.root).PolicyFile("web"))
	again()
	b.editConfig(func(s *specs.Spec) { s.Annotations = map[string]string{"io.klw.policy": "web"} })
	b.refused(b.start(), 1, "klw.policy", "io.klw.policy")
	again()

	b.editConfig(func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/self/ns/user"})
	})
	b.refused(b.start(), 1, "config.json: linux.namespaces: under a policy a user namespace can't be entered by its path", "have a new one made")
}

// A policy that can't be enforced as it stands is refused whole.
func TestRulesThatCannotBeEnforced(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	config, policy := b.read("config.json"), b.read("klw.policy")
	for name, c := range map[string]struct {
		rule string // after @general
		edit func(*specs.Spec)
		want []string
	}{
		"a port without a network": {
			edit: func(s *specs.Spec) { s.Linux.Namespaces = without(s.Linux.Namespaces, specs.NetworkNamespace) },
			want: []string{"klw.policy:7", "network namespace of its own"},
		},
		"a file on the kernel's mounts": {
			rule: "file /proc/sys/kernel/core_pattern write",
			want: []string{"klw.policy:10", "can't be enforced", "/proc/sys/kernel/core_pattern"},
		},
		"a replica of what is no mount": {
			edit: func(s *specs.Spec) { s.Mounts = s.Mounts[:len(s.Mounts)-1] },
			want: []string{"klw.policy:", "/var/www/html", "isn't a mount"},
		},
		"a user who isn't there": {
			rule: "\n@user nosuch\nfile /x read\n@general",
			want: []string{"klw.policy:1", "nosuch"},
		},
	} {
		b.write("config.json", config)
		b.write("klw.policy", strings.Replace(policy, "@general\n", "@general\n"+c.rule+"\n", 1))
		if c.edit != nil {
			b.editConfig(c.edit)
		}
		t.Log(name)
		b.refused(b.start(), 1, c.want...)
	}
}

func without(list []specs.LinuxNamespace, kind specs.LinuxNamespaceType) (rest []specs.LinuxNamespace) {
	for _, n := range list {
		if n.Type != kind {
			rest = append(rest, n)
		}
	}
	return rest
}

// What the host lacks is said before anything is made.
func TestBadHost(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	inside := func(script string) result { // a mount namespace of its own
		b.Helper()
		cmd := b.command("klw-runc", "run", b.bundle)
		cmd.Args = append([]string{"unshare", "--mount", "--propagation", "private", "bash", "-ec", script + `; exec "$@"`, "bash"}, cmd.Args...)
		cmd.Path = lookPath(t, "unshare")
		return b.finish(cmd)
	}
	b.refused(inside(`mount -t tmpfs none /dev; for d in "null 3" "zero 5" "random 8" "urandom 9"; do set -- "$@"; mknod -m 666 /dev/${d% *} c 1 ${d#* }; done`),
		1, "a policy needs FUSE", "/dev/fuse", "modprobe fuse")
	b.refused(inside(`umount -l `+v2()+` /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup`), 1, "cgroup")
	b.refused(b.withoutBPF(), 1, "load a BPF program: ", "function not implemented", "CONFIG_CGROUP_BPF")

	alone := filepath.Join(t.TempDir(), "bin")
	b.must(shell(`mkdir "$2"; cp "$1"/* "$2"; rm "$2/klw-guard"`, binaries, alone))
	b.bin = alone
	b.refused(b.start(), 1, "klw-guard is missing")
	b.must(shell(`cp "$1/klw-guard" "$2"; rm "$2/klw-replicafs"`, binaries, alone))
	b.refused(b.start(), 1, "klw-replicafs is missing")
	b.must(shell(`cp "$1/klw-replicafs" "$2"; rm "$2/klw-replica"`, binaries, alone))
	b.refused(b.start(), 1, "klw-replica is ")
	b.must(shell(`cp "$1/klw-replica" "$2"; rm "$2/klw-init"`, binaries, alone))
	b.refused(b.start(), 1, "klw-init is missing")
	b.bin = binaries
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	l, err := net.Listen("tcp4", b.address)
	b.must(err)
	_, port, _ := net.SplitHostPort(b.address)
	b.refused(b.start(), 1, "klw.policy:7", "port "+port+" of 127.0.0.1 is in use")
	l.Close()
	r := b.run()
	r.stop(syscall.SIGTERM)
	b.nothingLeft()
}

func TestIDInUse(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.run()
	for _, command := range []string{"run", "create"} {
		s := b.klw(command, "--bundle", b.bundle, b.id)
		if s.code != 1 || strings.Count(s.errOut, "\n") != 1 || !strings.Contains(s.errOut, "container "+b.id+" already exists") {
			t.Errorf("%s: exit code %d: %s", command, s.code, s.errOut)
		}
	}
	other := b.id + "-other"
	if s := b.klw("run", "--bundle", b.bundle, other); s.code != 1 || strings.Count(s.errOut, "\n") != 1 {
		t.Errorf("the same bundle again: exit code %d: %s", s.code, s.errOut)
	}
	b.serves("/", page)
	r.stop(syscall.SIGTERM)
	b.nothingLeft()
}

// The journal and the events on a file system without room: no start. When it fills up later nothing is torn: what was
// written is served and, once there is room, replicated.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	small := t.TempDir()
	b.must(syscall.Mount("none", small, "tmpfs", 0, "size=48m"))
	t.Cleanup(func() {
		if err := syscall.Unmount(small, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	b.must(os.MkdirAll(b.root, 0o700))
	b.must(os.Symlink(small, layout.Root(b.root).Lib()))
	fill := filepath.Join(small, "fill")
	full := func() {
		if err := os.WriteFile(fill, make([]byte, 64<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("filling the disk: %v", err)
		}
	}
	full()
	b.refused(b.start(), 1, "replicate /var/www/html", "no space left on device")

	b.must(os.Remove(fill))
	r := b.run()
	full()
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	var failed error
	for i := 0; i < 40 && failed == nil; i++ { // more than the journal holds
		failed = os.WriteFile(b.path("site/"+itoa(i)), []byte(big), 0o644)
	}
	t.Logf("writing 40 MiB to the site: %v", failed)
	if failed != nil && !errors.Is(failed, syscall.ENOSPC) {
		t.Errorf("writing to the site: %v", failed)
	}
	b.serves("/", page)
	if e := b.exec("echo x >/var/www/html/index.html"); e.code == 0 {
		t.Error("the policy isn't in force")
	}
	b.must(os.Remove(fill))
	b.soonServes("/0", big)
	b.ok(b.ctl("replica", "verify", b.path("site")))
	r.stop(syscall.SIGTERM)
	b.nothingLeft()
}
