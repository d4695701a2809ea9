package runtime_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"klw/internal/layout"
)

// TestGuardGoesByThePolicyThatWasChecked changes the bundle's policy, and one that it includes or stacks, after klw-runc
// has read them and before the guard starts: to ones that allow what the container is refused.
func TestGuardGoesByThePolicyThatWasChecked(t *testing.T) {
	for verb, base := range map[string]string{"include": "", "stack": "file / read execute\n"} {
		t.Run(verb, func(t *testing.T) { swapped(t, verb, base) })
	}
}

func swapped(t *testing.T, verb, base string) {
	b := newBox(t, "cat", "/etc/passwd")
	other := layout.Root(b.root).PolicyFile("base")
	b.must(os.MkdirAll(filepath.Dir(other), 0o755))
	b.must(os.WriteFile(other, []byte("@general\n"+base+"file /etc/passwd none\n"), 0o644))
	b.file("klw.policy", "application test\n"+verb+" base\n@general\nfile / read execute\n")
	b.writeSpec()
	mine := filepath.Join(b.dir, "klw.policy")
	b.file("klw-guard", "#!/bin/sh\n[ \"$1\" = serve ] && { echo 'application test\n@general\nfile / read write execute' > "+mine+
		"; printf '@general\\n"+base+"' > "+other+"; }\nexec "+filepath.Join(binaries, "klw-guard")+" \"$@\"\n")
	b.must(os.Chmod(filepath.Join(b.dir, "klw-guard"), 0o755))
	for _, name := range []string{"klw-runc", "klw-init"} {
		b.must(os.Link(filepath.Join(binaries, name), filepath.Join(b.dir, name)))
	}
	cmd := exec.Command(filepath.Join(b.dir, "klw-runc"), "--root", b.root, "run", b.id)
	cmd.Dir = b.dir
	r := b.finish(cmd)
	if text, err := os.ReadFile(mine); err != nil || strings.Contains(string(text), verb) {
		t.Fatalf("the policy was not changed: %q, %v", text, err)
	}
	if r.code != 1 || !strings.Contains(r.errOut, "permission denied") {
		t.Errorf("exit code %d, output %q, %q", r.code, r.out, r.errOut)
	}
}
