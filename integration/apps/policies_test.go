package apps

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The finished policies have no mistakes, answer what they say they do, and leave lint nothing to say.
func TestPolicies(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(top, "examples/policies/*.policy"))
	if err != nil || len(files) < 6 {
		t.Fatalf("%d policies: %v", len(files), err)
	}
	for _, file := range files {
		for command, want := range map[string]string{"check": "no mistakes", "test": "all met", "lint": "no warnings"} {
			out, err := exec.Command(filepath.Join(binaries, "klwctl"), "policy", command, file).CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) || strings.Contains(string(out), "no expectations") {
				t.Errorf("policy %s: %v: %s", command, err, out)
			}
		}
	}
}
