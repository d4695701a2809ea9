package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/layout"
	"klw/internal/policy"
)

// ConfigName is the file in a bundle that describes the container.
const ConfigName = "config.json"

// Bundle is a checked bundle.
type Bundle struct {
	Dir    string      // absolute
	Spec   *specs.Spec // Linux and Process are never nil
	Config []byte      // the text of config.json
	Rootfs string      // absolute
	Policy *Policy     // nil: not under a policy
}

// Policy is a bundle's policy as it was read.
type Policy struct {
	*policy.Policy
	Texts policy.Texts // File is absolute
}

// Load reads and checks the bundle in dir. The root tells where the administrator's policies are.
func Load(dir string, root layout.Root) (*Bundle, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	text, err := os.ReadFile(filepath.Join(abs, ConfigName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("bundle %s: %s is missing: no such file or directory", dir, ConfigName)
	}
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	b := &Bundle{Dir: abs, Config: text}
	if b.Spec, err = Parse(text); err != nil {
		return nil, err
	}
	if err := hostSysctls(b.Spec); err != nil {
		return nil, err
	}
	b.Rootfs = rooted(abs, b.Spec.Root.Path)
	if err := checkRootfs(b.Rootfs); err != nil {
		return nil, err
	}
	if b.Policy, err = findPolicy(abs, b.Spec.Annotations, root); err != nil {
		return nil, err
	}
	return b, nil
}

// Parse reads and checks the text of a config.json by itself, without looking at any other file.
func Parse(text []byte) (*specs.Spec, error) {
	spec, err := decode(text)
	if err != nil {
		return nil, err
	}
	if err := check(spec); err != nil {
		return nil, err
	}
	return spec, nil
}

// Source gives the absolute path of a bind mount's source, which may be relative to the bundle.
func (b *Bundle) Source(m *specs.Mount) string { return rooted(b.Dir, m.Source) }

func rooted(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

func checkRootfs(path string) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Mistakes{{"root.path", fmt.Sprintf("the folder %s is missing: no such file or directory", path)}}
	case err != nil:
		return Mistakes{{"root.path", err.Error()}}
	case !st.IsDir():
		return Mistakes{{"root.path", fmt.Sprintf("%s is not a folder", path)}}
	}
	return nil
}
