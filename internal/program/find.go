// Package program finds klw's own programs: they lie in one folder, or the ones that nobody types in libexec/klw.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Find gives the path of one of klw's programs: beside this one, in libexec/klw beside this one's folder (bin), in
// PATH, or in /usr/libexec/klw.
func Find(name string) (string, error) {
	self, err := os.Executable()
	if err == nil {
		dir := filepath.Dir(self)
		for _, path := range []string{filepath.Join(dir, name), filepath.Join(filepath.Dir(dir), "libexec", "klw", name)} {
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	path := filepath.Join("/usr/libexec/klw", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is missing: it is neither beside %s nor in libexec/klw nor in PATH", name, self)
	}
	return path, nil
}
