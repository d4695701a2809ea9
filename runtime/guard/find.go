package guard

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const binaryName = "klw-guard"

// find gives the path of klw-guard: beside this executable, in PATH, or in /usr/libexec/klw.
func find() (string, error) {
	if self, err := os.Executable(); err == nil {
		p := filepath.Join(filepath.Dir(self), binaryName)
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	if p, err := exec.LookPath(binaryName); err == nil {
		return p, nil
	}
	p := "/usr/libexec/klw/" + binaryName
	if _, err := os.Stat(p); err != nil {
		return "", fmt.Errorf("the bundle has a policy, but %s is neither beside this program nor in PATH nor in /usr/libexec/klw", binaryName)
	}
	return p, nil
}
