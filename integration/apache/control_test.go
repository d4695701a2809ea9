package apache

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/layout"
)

// What klwctl shows and changes on a running container.
func TestControl(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.run()
	s := b.status()
	if s.State != "enforcing" || s.Application != "apache" || s.Compartment != "web" || len(s.NotEnforced) != 0 || s.Events.Lost != 0 {
		t.Errorf("status: %+v", s)
	}
	var views []string
	for _, v := range s.Views {
		views = append(views, v.Destination+" <- "+v.Source)
		if !v.Alive {
			t.Errorf("the view of %s has ended", v.Destination)
		}
	}
	if got, want := strings.Join(views, ", "), "/ <- "+b.path("rootfs")+", /var/www/html <- "+b.path("site"); got != want {
		t.Errorf("views %s, want %s", got, want)
	}
	if len(s.Replicas) != 1 || s.Replicas[0].Source != b.path("site") || s.Replicas[0].Destination != b.path("backup") || !s.Replicas[0].Alive {
		t.Errorf("replicas: %+v", s.Replicas)
	}
	if len(s.Published) != 1 || s.Published[0] != "tcp "+b.address+" -> 80" {
		t.Errorf("published: %v", s.Published)
	}
	for _, text := range []string{b.id, "enforcing", "/var/www/html", "replica", b.address} {
		if out := b.ok(b.ctl("status")); !strings.Contains(out, text) {
			t.Errorf("status for people has no %q:\n%s", text, out)
		}
	}
	b.modules()
	b.policies()
	b.logLevel()
	b.ok(b.ctl("replica", "verify", b.path("site")))
	if s := b.replica(); s.State != "running" || s.Source != b.path("site") || s.Destination != b.path("backup") {
		t.Errorf("replica status: %+v", s)
	}
	if code := r.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d: %s", code, r.said())
	}
	for _, c := range [][]string{{"status", b.id}, {"module", "list", b.id}, {"policy", "show", b.id}, {"log", "level", b.id}} {
		if s := b.ctl(c...); s.code != 3 || strings.Count(s.errOut, "\n") != 1 {
			t.Errorf("%v of a container that has ended: exit code %d: %s", c, s.code, s.errOut)
		}
	}
}

func (b *box) modules() {
	b.Helper()
	module := func(name string) *control.Module {
		b.Helper()
		var list []control.Module
		b.must(json.Unmarshal([]byte(b.ok(b.ctl("--json", "module", "list", b.id))), &list))
		i := slices.IndexFunc(list, func(m control.Module) bool { return m.Name == name })
		if i < 0 {
			b.Fatalf("no module %s in %+v", name, list)
		}
		if m := list[i]; m.Description == "" || m.Monitors == "" {
			b.Errorf("module %s says nothing about itself: %+v", name, m)
		}
		return &list[i]
	}
	for name, loaded := range map[string]bool{"files": true, "sockets": true, "seal": true, "audit": false} {
		if m := module(name); m.Loaded != loaded || loaded && m.ID == 0 {
			b.Errorf("module %s: %+v", name, m)
		}
	}
	refused := module("files").Refused
	in := b.insider()
	if got := in.open("/root"); !strings.Contains(got, "Permission denied") {
		b.Errorf("open /root: %s", got)
	}
	b.eventually("the refusal is counted", func() bool { return module("files").Refused > refused })

	b.ok(b.ctl("module", "load", b.id, "audit"))
	if m := module("audit"); !m.Loaded || m.ID == 0 {
		b.Errorf("audit: %+v", m)
	}
	b.get("/")
	b.eventually("audit records Apache's reading", func() bool {
		return b.event(func(e audit.Event) bool {
			return e.Decision == audit.Audit && e.Operation == "open" && e.Path == "/var/www/html/index.html" && e.Comm == "apache2" && e.UID == 33
		}) != nil
	})
	b.ok(b.ctl("module", "unload", b.id, "audit"))
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"unload", b.id, "audit"}, 7},
		{[]string{"load", b.id, "files"}, 7},
		{[]string{"unload", b.id, "files"}, 2}, // without --yes
		{[]string{"unload", "--yes", b.id, "seal"}, 7},
		{[]string{"load", b.id, "nosuch"}, 3},
		{[]string{"load", "nosuch", "files"}, 3},
	} {
		if s := b.ctl(append([]string{"module"}, c.args...)...); s.code != c.code || strings.Count(s.errOut, "\n") != 1 {
			b.Errorf("module %v: exit code %d, want %d: %s", c.args, s.code, c.code, s.errOut)
		}
	}

	b.ok(b.ctl("module", "unload", "--yes", b.id, "files"))
	b.ok(b.ctl("module", "unload", "--yes", b.id, "sockets"))
	if got := in.open("/root"); got != "ok" {
		b.Errorf("without file rules: open /root: %s", got)
	}
	if got := in.connect("127.0.0.1:81"); !strings.Contains(got, "Connection refused") {
		b.Errorf("without socket rules: %s", got)
	}
	if s := b.status(); len(s.NotEnforced) != 2 {
		b.Errorf("status doesn't tell that two modules are out of force: %q", s.NotEnforced)
	}
	b.ok(b.ctl("module", "load", b.id, "files"))
	b.ok(b.ctl("module", "load", b.id, "sockets"))
	if got := in.open("/root"); !strings.Contains(got, "Permission denied") {
		b.Errorf("with file rules again: open /root: %s", got)
	}
	if got := in.connect("127.0.0.1:81"); !strings.Contains(got, "Operation not permitted") {
		b.Errorf("with socket rules again: %s", got)
	}
	for _, want := range []string{"load audit", "unload audit", "unload files", "unload sockets", "load files", "load sockets"} {
		if b.event(func(e audit.Event) bool { return e.Decision == audit.Notice && e.Operation+" "+e.Module == want }) == nil {
			b.Errorf("no event tells: %s", want)
		}
	}
}

func (b *box) policies() {
	b.Helper()
	if got := b.ok(b.ctl("policy", "show", b.id)); got != b.read("klw.policy") {
		b.Errorf("policy show: %s", got)
	}
	if got := b.ok(b.ctl("policy", "check", b.path("klw.policy"))); !strings.Contains(got, "no mistakes") {
		b.Errorf("policy check: %s", got)
	}
	line := func(text string) string {
		before, _, ok := strings.Cut(b.read("klw.policy"), text)
		if !ok {
			b.Fatalf("no %q in the policy", text)
		}
		return "klw.policy:" + itoa(strings.Count(before, "\n")+1)
	}
	for _, target := range []string{b.id, b.path("klw.policy")} {
		for _, c := range []struct {
			question string
			code     int
			rule     string
		}{
			{"file /var/www/html/index.html read", 0, line("file /var/www ")},
			{"file /var/www/html/index.html write", 5, line("file /var/www ")},
			{"file /etc/ssl/private/site.key read --user root", 0, line("file /etc/ssl/private")},
			{"file /etc/ssl/private/site.key read --user www-data", 5, "no rule"},
			{"file /root read", 5, "no rule"},
			{"socket tcp listen :80", 0, line("socket tcp listen")},
			{"socket tcp connect 192.0.2.1:80", 5, "no rule"},
		} {
			s := b.ctl(append([]string{"policy", "explain", target}, strings.Fields(c.question)...)...)
			if s.code != c.code || !strings.Contains(s.out, c.rule) || s.errOut != "" {
				b.Errorf("explain %s %s: exit code %d, want %d and %s: %s%s", filepath.Base(target), c.question, s.code, c.code, c.rule, s.out, s.errOut)
			}
		}
	}
}

func (b *box) logLevel() {
	b.Helper()
	if got := b.ok(b.ctl("log", "level", b.id)); !strings.Contains(got, "info") {
		b.Errorf("log level: %s", got)
	}
	b.ok(b.ctl("log", "level", b.id, "debug"))
	if s := b.status(); s.LogLevel != "debug" {
		b.Errorf("log level is %s", s.LogLevel)
	}
	if s := b.ctl("log", "level", b.id, "loud"); s.code != 2 || strings.Count(s.errOut, "\n") != 1 {
		b.Errorf("log level loud: exit code %d: %s", s.code, s.errOut)
	}
}

// A master refuses to go while a module is registered, so a guard that ended well has taken all of them out.
func TestGuardEndsClean(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.ok(b.klw("create", "--bundle", b.bundle, b.id))
	b.remember()
	b.ok(b.klw("start", b.id))
	b.eventually("Apache serves", func() bool { code, _ := b.get("/"); return code == 200 })
	b.ok(b.ctl("module", "load", b.id, "audit"))
	b.ok(b.ctl("log", "level", b.id, "debug"))
	guard := "/proc/" + itoa(b.status().PID)
	b.ok(b.klw("kill", b.id, "TERM"))
	b.eventually("the guard ends with the container", func() bool {
		line, _ := os.ReadFile(guard + "/cmdline")
		return len(line) == 0
	})
	text, err := os.ReadFile(layout.Root(b.root).Container(b.id).GuardLog())
	b.must(err)
	for _, name := range []string{"files", "audit", "sockets", "seal"} {
		if !strings.Contains(string(text), "msg=unregistered module="+name) {
			t.Errorf("module %s was not taken out:\n%s", name, text)
		}
	}
	if strings.Contains(string(text), "level=ERROR") {
		t.Errorf("the guard's log:\n%s", text)
	}
	events := b.events()
	if last := events[len(events)-1]; last.Operation != audit.OpStop || last.Decision != audit.Notice || last.Hint != "" {
		t.Errorf("the last event is %+v", last)
	}
	if s := b.state(); s.Status != "stopped" {
		t.Errorf("status %s", s.Status)
	}
	b.ok(b.klw("delete", b.id))
	b.nothingLeft()
	b.refused(b.klw("delete", b.id), 1, "does not exist")
}

// klwctl events -f shows events as they come and ends with the guard.
func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.run()
	f := b.launch(b.command("klwctl", "events", "-f", "--container", b.id))
	b.eventually("the follower has it", func() bool {
		b.exec("echo x >/var/www/html/index.html")
		time.Sleep(50 * time.Millisecond)
		return strings.Contains(f.said(), "open /var/www/html/index.html REFUSED EACCES by files (klw.policy:")
	})
	r.stop(syscall.SIGTERM)
	if code := f.wait(); code != 0 || !strings.Contains(f.said(), "stop guard") {
		t.Errorf("exit code %d: %s", code, f.said())
	}
}
