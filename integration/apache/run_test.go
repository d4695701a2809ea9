package apache

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"klw/internal/audit"
)

// The main job: the page is served, an edit is served and replicated, a refusal is told, a signal ends it all.
func TestRun(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			r := b.run()
			b.seesItself()
			b.serves("/", page)
			b.eventually("the first copy is in backup", func() bool { return b.read("backup/index.html") == page })

			const edited = "<h1>edited</h1>\n"
			b.write("site/index.html", edited)
			b.soonServes("/", edited)
			b.eventually("the edit is in backup", func() bool { return b.read("backup/index.html") == edited })
			b.must(os.MkdirAll(b.path("site/folder"), 0o755))
			b.write("site/folder/new.html.next", "new")
			b.must(os.Rename(b.path("site/folder/new.html.next"), b.path("site/new.html"))) // as editors do
			b.soonServes("/new.html", "new")
			b.write("site/new.html.next", "new, and newer")
			b.must(os.Rename(b.path("site/new.html.next"), b.path("site/new.html")))
			b.soonServes("/new.html", "new, and newer")
			b.serves("/folder/", "Index of /folder")
			b.must(os.Remove(b.path("site/index.html")))
			b.eventually("backup has the new page and not the old", func() bool {
				_, err := os.Stat(b.path("backup/index.html"))
				return os.IsNotExist(err) && b.read("backup/new.html") == "new, and newer"
			})

			if e := b.exec("echo defaced >/var/www/html/new.html"); e.code == 0 || !strings.Contains(e.errOut, "Permission denied") {
				t.Errorf("writing the page from inside: exit code %d, %s", e.code, e.errOut)
			}
			b.serves("/new.html", "new, and newer")
			b.eventually("the refusal is in the events", func() bool { return b.event(b.defacing) != nil })

			if code := r.stop(sig); code != 0 {
				t.Errorf("exit code %d: %s", code, r.said())
			}
			b.nothingLeft()
			if said := r.said(); said != "" {
				t.Errorf("klw-runc said: %s", said)
			}
			if log := b.read("rootfs/var/log/apache2/error.log"); !strings.Contains(log, "AH00491: caught SIGTERM, shutting down") {
				t.Errorf("Apache wasn't shut down in its own way:\n%s", log)
			}
			if b.event(b.defacing) == nil {
				t.Error("the refusal isn't in the events after the end")
			}
			for _, dir := range []string{"site", "backup"} {
				if got := b.read(dir + "/new.html"); got != "new, and newer" {
					t.Errorf("%s/new.html is %q", dir, got)
				}
				if _, err := os.Stat(b.path(dir + "/folder")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func (b *box) defacing(e audit.Event) bool {
	return e.Decision == audit.Refused && e.Operation == "open" && e.Path == "/var/www/html/new.html" && e.Module == "files" &&
		strings.HasPrefix(e.Rule, "klw.policy:") && e.Errno == "EACCES" && e.UID == 0 && e.Comm == "bash" && e.Inode != "" &&
		e.Container == b.id && e.Application == "apache" && e.Compartment == "web" && e.Count == 1 && e.PID != 0
}

// seesItself checks that what looks for left things finds each kind while it is there.
func (b *box) seesItself() {
	b.Helper()
	left := strings.Join(b.left(), "\n")
	for _, kind := range []string{"mount ", "cgroup ", "link ", "nftables ", "BPF program ", "process ", b.root + "/containers/"} {
		if !strings.Contains("\n"+left, "\n"+kind) {
			b.Errorf("of a running container there is nothing of the kind %q:\n%s", kind, left)
		}
	}
}
