package klwctl

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"klw/internal/layout"
)

// journald starts a journal of the test's own, in a mount namespace whose /run is empty, gives events to it and prints
// what it then has.
const journald = `set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/journal /run/log/journal
/lib/systemd/systemd-journald 2>/dev/null &
for i in $(seq 100); do [ -S /run/systemd/journal/socket ] && break; sleep .05; done
"$@"
for i in $(seq 100); do
	journalctl -D /run/log/journal -q -t klw -o json | grep -q LOST && break
	sleep .05
done
journalctl -D /run/log/journal -q -t klw -o json
kill $!
wait
`

func TestJournald(t *testing.T) {
	root := layout.Root(t.TempDir())
	keep(t, root, "web", someEvents...)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "bash", "-c", journald, "bash",
		self, "--root", string(root), "events", "--journald", "--module", "files")
	cmd.Env = append(os.Environ(), "KLW_TEST_AS_KLWCTL=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(out)
	for _, part := range []string{
		`"KLW_PATH":"/etc/shadow"`, `"KLW_DECISION":"refused"`, `"KLW_UID":"33"`, `"KLW_CONTAINER":"web"`, `"PRIORITY":"4"`,
		`"MESSAGE":"web uid 33 cat[0] open /etc/shadow REFUSED EACCES by files (no rule)"`, `"KLW_COUNT":"7"`, `"PRIORITY":"3"`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in the journal", part)
		}
	}
	if lineCount(text) != 3 || strings.Contains(text, "curl") {
		t.Errorf("the journal has %d entries, want 3\n%s", lineCount(text), text)
	}
}

func TestNoJournal(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "bash", "-c", `mount -t tmpfs none /run; exec "$@"`, "bash", self, "events", "--journald")
	cmd.Env = append(os.Environ(), "KLW_TEST_AS_KLWCTL=1")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "is systemd-journald running?") {
		t.Errorf("%v\n%s", err, out)
	}
}
