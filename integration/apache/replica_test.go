package apache

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"

	"klw/replicafs/ops"
)

// A folder is replicated by hand, over itself and at another place, and from another run on.
func TestReplicaByHand(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	source, to := b.path("site"), b.path("backup")
	t.Cleanup(func() { b.ctl("replica", "unmount", source) })
	b.write("site/old.html", "old")
	b.must(os.Mkdir(b.path("other"), 0o755))
	for _, at := range []string{"site", "other", "site"} {
		b.ok(b.ctl("replica", "mount", source, b.path(at), "--to", to))
		b.eventually("the first copy", func() bool {
			got, err := os.ReadFile(b.path("backup/old.html"))
			return err == nil && string(got) == b.read("site/old.html")
		})
		b.write(at+"/new.html", "new at "+at)
		b.must(os.Rename(b.path(at+"/new.html"), b.path(at+"/index.html")))
		b.eventually("the edit is in backup", func() bool {
			_, err := os.Stat(b.path("backup/new.html"))
			return os.IsNotExist(err) && b.read("backup/index.html") == "new at "+at
		})
		var list []ops.Status
		b.must(json.Unmarshal([]byte(b.ok(b.ctl("--json", "replica", "status", source))), &list))
		if s := list[0]; s.State != "running" || s.Mountpoint != b.path(at) || s.Destination != to || s.Lag != 0 {
			t.Errorf("status: %+v", s)
		}
		b.ok(b.ctl("replica", "verify", source))
		if r := b.ctl("replica", "mount", source, b.path(at), "--to", to); r.code == 0 || strings.Count(r.errOut, "\n") != 1 {
			t.Errorf("mounted twice: exit code %d, %s", r.code, r.errOut)
		}
		b.ok(b.ctl("replica", "unmount", source))
		b.nothingLeft()
	}

	b.write("site/old.html", "edited while nothing looked")
	if r := b.ctl("replica", "verify", source); r.code == 0 || !strings.Contains(r.errOut, "not replicated at present: mount it") {
		t.Errorf("verify: exit code %d, %s%s", r.code, r.out, r.errOut)
	}
	b.ok(b.ctl("replica", "mount", source, source, "--to", to))
	b.ok(b.ctl("replica", "verify", source))
	b.kill(b.replica().PID)
	if r := b.ctl("replica", "status", source); r.code == 0 && !strings.Contains(r.out, "dead") {
		t.Errorf("status of one that was killed: %s", r.out)
	}
	b.ok(b.ctl("replica", "unmount", source))
	b.nothingLeft()
	if got := b.read("site/old.html"); got != "edited while nothing looked" {
		t.Errorf("site/old.html is %q", got)
	}

	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"mount", source, source}, 2},
		{[]string{"mount", source, source, "--to", b.path("rootfs")}, 1}, // not empty, no replica
		{[]string{"mount", source, source, "--to", source + "/below"}, 1},
		{[]string{"mount", b.path("nosuch"), source, "--to", to}, 1},
		{[]string{"unmount", b.path("rootfs")}, 3},
		{[]string{"status", b.path("rootfs")}, 3},
		{[]string{"verify", b.path("rootfs")}, 3},
	} {
		r := b.ctl(append([]string{"replica"}, c.args...)...)
		if r.code != c.code || strings.Count(r.errOut, "\n") != 1 {
			t.Errorf("replica %v: exit code %d, want %d: %s", c.args, r.code, c.code, r.errOut)
		}
	}
	b.nothingLeft()

	// The bundle's own replication goes on with what was replicated by hand.
	b.write("site/index.html", page)
	run := b.run()
	b.serves("/", page)
	b.ok(b.ctl("replica", "verify", source))
	run.stop(syscall.SIGTERM)
}
