package replicafs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// FindBinary finds another klw program: next to this one, in PATH, or in /usr/libexec/klw.
func FindBinary(name string) (string, error) {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	path := filepath.Join("/usr/libexec/klw", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is neither next to this program, nor in PATH, nor in /usr/libexec/klw", name)
	}
	return path, nil
}
