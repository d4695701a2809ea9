package apache

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"klw/internal/audit"
	"klw/replicafs/ops"
)

// kill ends a process of ours the hard way, and waits until it is gone.
func (b *box) kill(pid int) {
	b.Helper()
	if pid <= 1 {
		b.Fatalf("process %d?", pid)
	}
	b.must(syscall.Kill(pid, syscall.SIGKILL))
	b.eventually("the killed process is gone", func() bool {
		line, err := os.ReadFile("/proc/" + itoa(pid) + "/cmdline")
		return err != nil || len(line) == 0
	})
}

// replica asks klw-replicafs.
func (b *box) replica() ops.Status {
	b.Helper()
	var list []ops.Status
	b.must(json.Unmarshal([]byte(b.ok(b.ctl("--json", "replica", "status"))), &list))
	if len(list) != 1 {
		b.Fatalf("%d replications", len(list))
	}
	return list[0]
}

// fallen deletes what is left of a container after a kill; the klw-runc run that was its parent must end.
func (r *running) fallen() {
	r.Helper()
	r.delete()
	r.wait()
	r.nothingLeft()
	r.delete() // of nothing: no error
	r.siteIsOpen()
}

// siteIsOpen checks that the host has its folder back, and that the job can be started again.
func (b *box) siteIsOpen() {
	b.Helper()
	if got := b.read("site/index.html"); got != page {
		b.Errorf("site/index.html is %q", got)
	}
	r := b.run()
	b.serves("/", page)
	b.ok(b.ctl("replica", "verify", b.path("site")))
	r.stop(syscall.SIGTERM)
	b.nothingLeft()
}

func TestKillGuard(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.run()
	in := b.insider()
	for _, c := range [][2]string{{in.open("/etc/passwd"), "ok"}, {in.open("/var/www/html/index.html"), "ok"}, {in.connect("127.0.0.1:80"), "ok"}} {
		if c[0] != c[1] {
			t.Errorf("before: %q, want %q", c[0], c[1])
		}
	}
	b.kill(b.status().PID)
	for _, file := range []string{"/etc/passwd", "/var/www/html/index.html", "/etc/apache2/apache2.conf", "/"} {
		if got := in.open(file); !isClosed(got) {
			t.Errorf("with a dead guard: open %s: %s", file, got)
		}
	}
	if got := in.do("{ echo x >/var/log/apache2/new && echo ok; }"); !isClosed(got) {
		t.Errorf("with a dead guard: create: %s", got)
	}
	if got := in.connect("192.0.2.1:80"); !strings.Contains(got, "Operation not permitted") {
		t.Errorf("with a dead guard: connect: %s", got)
	}
	if code, body := b.get("/"); code == 200 {
		t.Errorf("with a dead guard the page is served: %s", body)
	}
	if e := b.exec("true"); e.code == 0 || strings.Count(e.errOut, "\n") != 1 {
		t.Errorf("with a dead guard: exec: exit code %d, %s", e.code, e.errOut)
	}
	if s := b.ctl("status", b.id); s.code != 4 || strings.Count(s.errOut, "\n") != 1 {
		t.Errorf("with a dead guard: status: exit code %d, %s", s.code, s.errOut)
	}
	if s := b.state(); s.Status != "running" {
		t.Errorf("with a dead guard: %s", s.Status)
	}
	r.fallen()
	if b.event(func(e audit.Event) bool {
		return e.Operation == audit.OpStop && strings.Contains(e.Hint, "the guard was killed")
	}) == nil {
		t.Error("no event tells that the guard was killed")
	}
}

// isClosed tells whether that is what one gets from a file system without a server: ENOTCONN, ECONNABORTED from what
// lies above it and was asked when it went, or EIO from what it had open below.
func isClosed(said string) bool {
	return slices.ContainsFunc([]string{"Transport endpoint is not connected", "Software caused connection abort", "Input/output error"},
		func(error string) bool { return strings.Contains(said, error) })
}

func TestKillReplicafs(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.run()
	in := b.insider()
	b.kill(b.status().Replicas[0].PID)
	if got := in.open("/var/www/html/index.html"); !isClosed(got) {
		t.Errorf("the site without its server: %s", got)
	}
	if _, err := os.ReadFile(b.path("site/index.html")); err == nil {
		t.Error("the site is open on the host")
	}
	if got := in.open("/etc/passwd"); got != "ok" {
		t.Errorf("another file: %s", got)
	}
	if code, body := b.get("/"); code == 200 {
		t.Errorf("the page is served: %s", body)
	}
	b.eventually("status tells", func() bool {
		s := b.status()
		return len(s.Replicas) == 1 && !s.Replicas[0].Alive
	})
	b.eventually("an event tells", func() bool {
		return b.event(func(e audit.Event) bool { return e.Operation == audit.OpStop && e.Module == "replicate" }) != nil
	})
	r.fallen()
}

// An applier's death stops nobody.
func TestKillReplica(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.run()
	b.kill(b.replica().Applier)
	const edited = "<h1>without an applier</h1>\n"
	b.write("site/index.html", edited)
	b.serves("/", edited)
	b.eventually("a new applier has brought the edit to backup", func() bool { return b.read("backup/index.html") == edited })
	if n := b.replica().Restarts; n == 0 {
		t.Error("status tells of no restart")
	}
	b.kill(b.replica().Applier)
	b.write("site/index.html", page)
	r.fallen()
}

func TestKillRunc(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.run()
	b.kill(r.cmd.Process.Pid)
	b.serves("/", page)
	if e := b.exec("echo x >/var/www/html/x"); e.code == 0 {
		t.Error("the policy isn't in force")
	}
	r.fallen()
}

func TestKillFirstProcess(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.run()
	b.must(syscall.Kill(b.state().Pid, syscall.SIGKILL))
	if code := r.wait(); code != 128+9 {
		t.Errorf("exit code %d", code)
	}
	r.fallen()
}

func TestKillAll(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.run()
	rep := b.replica()
	for _, pid := range []int{b.status().PID, rep.PID, rep.Applier, r.cmd.Process.Pid} {
		b.must(syscall.Kill(pid, syscall.SIGKILL))
	}
	r.fallen()
}

// Any of the processes may be killed at any moment of the making.
func TestKillDuringCreate(t *testing.T) {
	t.Parallel()
	for victim, find := range map[string]func(*box, *exec.Cmd) int{
		"klw-runc":      func(b *box, cmd *exec.Cmd) int { return cmd.Process.Pid },
		"klw-init":      func(b *box, _ *exec.Cmd) int { return b.firstIn("klw") },
		"klw-guard":     func(b *box, _ *exec.Cmd) int { return b.helper("klw-guard") },
		"klw-replicafs": func(b *box, _ *exec.Cmd) int { return b.helper("klw-replicafs") },
		"klw-replica":   func(b *box, _ *exec.Cmd) int { return b.helper("klw-replica") },
	} {
		t.Run(victim, func(t *testing.T) {
			b := newBox(t)
			killed := 0
			for after := time.Duration(0); after < 40*time.Millisecond; after += 8 * time.Millisecond {
				if b.killDuringCreate(after, find) {
					killed++
				}
			}
			if killed == 0 {
				t.Errorf("%s was never there to be killed", victim)
			}
			b.siteIsOpen()
		})
	}
}

func (b *box) killDuringCreate(after time.Duration, find func(*box, *exec.Cmd) int) (killed bool) {
	b.Helper()
	r := b.launch(b.command("klw-runc", "create", "--bundle", b.bundle, b.id))
	for !killed {
		select {
		case <-r.done: // the victim may have lived too shortly
		default:
			if pid := find(b, r.cmd); pid > 1 {
				time.Sleep(after)
				killed = syscall.Kill(pid, syscall.SIGKILL) == nil
				break
			}
			continue
		}
		break
	}
	r.wait()
	if said := r.said(); r.cmd.ProcessState.ExitCode() > 0 && strings.Count(said, "\n") != 1 {
		b.Errorf("killed %v after its start: %s", after, said)
	}
	if r.cmd.ProcessState.ExitCode() > 0 {
		b.nothingLeft() // even without delete
	}
	b.delete()
	b.nothingLeft()
	return killed
}

// firstIn gives a process of the container's control group below parent; 0 if there is none.
func (b *box) firstIn(parent string) int {
	for _, pid := range b.in(parent) {
		return pid
	}
	return 0
}

// helper gives a process of the guard's control group by its program's name.
func (b *box) helper(name string) int {
	for _, pid := range b.in("klw-guard") {
		line, _ := os.ReadFile("/proc/" + itoa(pid) + "/cmdline")
		if program, _, _ := strings.Cut(string(line), "\x00"); filepath.Base(program) == name {
			return pid
		}
	}
	return 0
}

func (b *box) in(parent string) (pids []int) {
	text, _ := os.ReadFile(filepath.Join(v2(), parent, b.id, "cgroup.procs"))
	for _, f := range strings.Fields(string(text)) {
		pids = append(pids, atoi(f))
	}
	return pids
}

func TestDeleteOfNothing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.delete()
	b.delete()
	b.refused(b.klw("delete", b.id), 1, "container "+b.id+" does not exist")
	b.refused(b.klw("delete", "-f", "../"+b.id), 1, "invalid container id")
}
