package nofile_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"klw/internal/nofile"
)

func TestMain(m *testing.M) {
	if os.Getenv("NOFILE_SHOW") != "" {
		fmt.Print(nofile.Cur, " ", nofile.Max)
		return
	}
	os.Exit(m.Run())
}

// TestBeforeGo: the limit is what the program was started with, though Go has raised it by the time main runs.
func TestBeforeGo(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", `ulimit -n 600; ulimit -Sn 123; exec "$0"`, self)
	c.Env = append(os.Environ(), "NOFILE_SHOW=1")
	out, err := c.CombinedOutput()
	if err != nil || string(out) != "123 600" {
		t.Errorf("got %q (%v), expected 123 600", out, err)
	}
}
