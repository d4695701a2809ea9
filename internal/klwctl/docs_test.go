package klwctl

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// docs/klwctl.md has every command and every exit code, and no others.
func TestDocsAreComplete(t *testing.T) {
	text, err := os.ReadFile("../../docs/klwctl.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	var walk func(path string, c *cli.Command)
	walk = func(path string, c *cli.Command) {
		if len(c.Commands) == 0 {
			commands = append(commands, path)
		}
		for _, sub := range c.Commands {
			walk(path+" "+sub.Name, sub)
		}
	}
	walk("klwctl", New(&bytes.Buffer{}, &bytes.Buffer{}))
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(klwctl(?: [a-z]+)+)").FindAllStringSubmatch(string(text), -1) {
		if name := strings.TrimSuffix(m[1], " file"); name != "klwctl policy explain socket" && !slices.Contains(documented, name) {
			documented = append(documented, name)
		}
	}
	slices.Sort(commands)
	slices.Sort(documented)
	if !slices.Equal(commands, documented) {
		t.Errorf("commands   %q\ndocumented %q", commands, documented)
	}
	for code := range 11 {
		if !strings.Contains(string(text), fmt.Sprintf("\n| %d | ", code)) {
			t.Errorf("exit code %d isn't documented", code)
		}
	}
}
