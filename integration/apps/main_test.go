package apps

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	top      string // of the repository
	binaries string // the programs under test: copies, so that building anew meanwhile changes nothing
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "klw-apps-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration/apps:", err)
		return 1
	}
	return m.Run()
}

func prepare(dir string) (err error) {
	if top, err = filepath.Abs("../.."); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(top, "app-bundles/.stamp")); err != nil {
		return fmt.Errorf("make app-bundles first: %w", err)
	}
	binaries = filepath.Join(dir, "bin")
	if err := os.Mkdir(binaries, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"klw-runc", "klw-init", "klw-guard", "klw-replicafs", "klw-replica", "klwctl"} {
		if err := command("cp", filepath.Join(top, "bin", name), binaries); err != nil {
			return fmt.Errorf("make build first: %w", err)
		}
	}
	return nil
}

// command runs a program that says something only if it fails.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, strings.TrimSpace(string(out)))
	}
	return nil
}
