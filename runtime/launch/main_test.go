package launch_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	_ "klw/runtime/initproc" // what klw-init is built from: a change of it makes cached results void
)

// binary is a klw-init built for these tests.
var binary string

func TestMain(m *testing.M) {
	if os.Args[0] == "/probe" {
		probe(os.Args[1:])
		return
	}
	if os.Getenv("LAUNCH_SHARED") != "" { // TestSharedHost
		binary = os.Getenv("LAUNCH_INIT")
		if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "klw-launch-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "klw-init")
	c := exec.Command("go", "build", "-o", binary, "klw/cmd/klw-init")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building klw-init: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
