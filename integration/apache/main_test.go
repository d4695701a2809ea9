package apache

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
	template string // the bundle that tests copy
)

const page = "<h1>the first page</h1>\n"

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if len(os.Args) > 2 && os.Args[1] == noBPF {
		fmt.Fprintln(os.Stderr, runWithoutBPF(os.Args[2:]))
		return 1
	}
	dir, err := os.MkdirTemp("", "klw-apache-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration/apache:", err)
		return 1
	}
	return m.Run()
}

// prepare copies the programs, and the bundle without what nobody needs here (documentation, translations).
func prepare(dir string) (err error) {
	if top, err = filepath.Abs("../.."); err != nil {
		return err
	}
	binaries, template = filepath.Join(dir, "bin"), filepath.Join(dir, "template")
	if err := os.Mkdir(binaries, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"klw-runc", "klw-init", "klw-guard", "klw-replicafs", "klw-replica", "klwctl"} {
		if err := shell(`cp "$1" "$2"`, filepath.Join(top, "bin", name), binaries); err != nil {
			return fmt.Errorf("make build first: %w", err)
		}
	}
	bundle := filepath.Join(top, "apache-bundle")
	if _, err := os.Stat(filepath.Join(bundle, ".stamp")); err != nil {
		return fmt.Errorf("make apache-bundle first: %w", err)
	}
	err = shell(`mkdir "$2" "$2/site" "$2/backup"
		tar -C "$1" --exclude ./rootfs/usr/share/{doc,man,locale,perl} --exclude ./site --exclude ./backup -cf - . | tar -C "$2" -xf -
		cd "$2/rootfs/var/log/apache2"
		for log in *.log; do : >"$log"; done`, bundle, template)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(template, "site/index.html"), []byte(page), 0o644)
}

// shell runs a script of bash with arguments.
func shell(script string, args ...string) error {
	out, err := exec.Command("bash", append([]string{"-eu", "-o", "pipefail", "-c", script, "bash"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
