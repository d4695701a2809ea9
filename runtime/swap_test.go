package runtime_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"klw/internal/layout"
)

// TestGuardGoesByThePolicyThatWasChecked changes the bundle's policy, and one that it includes, after klw-runc has read
// them and before the guard starts: to ones that allow what the container is refused.
func TestGuardGoesByThePolicyThatWasChecked(t *testing.T) {
	b := newBox(t, "cat", "/etc/passwd")
	included := layout.Root(b.root).PolicyFile("base")
	b.must(os.MkdirAll(filepath.Dir(included), 0o755))
	b.must(os.WriteFile(included, []byte("@general\nfile /etc/passwd none\n"), 0o644))
	b.file("klw.policy", "application test\ninclude base\n@general\nfile / read execute\n")
	b.writeSpec()
	mine := filepath.Join(b.dir, "klw.policy")
	b.file("klw-guard", "#!/bin/sh\n[ \"$1\" = serve ] && { echo 'application test\n@general\nfile / read write execute' > "+mine+
		"; echo '@general' > "+included+"; }\nexec "+filepath.Join(binaries, "klw-guard")+" \"$@\"\n")
	b.must(os.Chmod(filepath.Join(b.dir, "klw-guard"), 0o755))
	for _, name := range []string{"klw-runc", "klw-init"} {
		b.must(os.Link(filepath.Join(binaries, name), filepath.Join(b.dir, name)))
	}
	cmd := exec.Command(filepath.Join(b.dir, "klw-runc"), "--root", b.root, "run", b.id)
	cmd.Dir = b.dir
	r := b.finish(cmd)
	if text, err := os.ReadFile(mine); err != nil || strings.Contains(string(text), "include") {
		t.Fatalf("the policy was not changed: %q, %v", text, err)
	}
	if r.code != 1 || !strings.Contains(r.errOut, "permission denied") {
		t.Errorf("exit code %d, output %q, %q", r.code, r.out, r.errOut)
	}
}
