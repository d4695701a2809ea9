package noexe

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/guard/guardtest"
)

// As cmd/klw-guard does with a module of its own.
func TestMain(m *testing.M) { os.Exit(guardtest.Main(m, &Module{Log: slog.Default()})) }

// The module in a real guard: loaded at run time, asked by a real view, its refusals in the events.
func TestModuleInAGuard(t *testing.T) {
	c := guardtest.New(t, guardtest.Policy)
	c.Run()
	if got := c.App.Do("write", "/data/a.exe", "x"); got != "ok" {
		t.Errorf("before the module is loaded: %s", got)
	}
	if err := c.Client().Call(t.Context(), control.MethodModuleLoad, control.Name{Name: "noexe"}, nil); err != nil {
		t.Fatal(err)
	}
	if got := c.App.Do("write", "/data/b.exe", "x"); got != "EPERM" {
		t.Errorf("with the module: %s", got)
	}
	if got := c.App.Do("write", "/data/b.txt", "x"); got != "ok" {
		t.Errorf("another name: %s", got)
	}
	c.App.End()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	var refused []string
	for _, e := range c.Events() {
		if e.Decision == audit.Refused {
			refused = append(refused, e.Module+" "+e.Operation+" "+e.Path)
		}
	}
	if got := strings.Join(refused, ", "); got != "noexe create /data/b.exe" {
		t.Errorf("refused: %s", got)
	}
}
