package guard_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/control"
	"klw/internal/guard"
	"klw/internal/guard/guardtest"
	"klw/internal/handshake"
)

// replicated makes a container with a mount that is replicated, by the real programs.
func replicated(t *testing.T) (c *guardtest.Container, site, backup string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Dir(self)+"/", "klw/cmd/klw-replicafs", "klw/cmd/klw-replica")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c = guardtest.New(t, guardtest.Policy+"@replicate\n/data -> backup\n")
	site, backup = filepath.Join(c.Bundle, "site"), filepath.Join(c.Bundle, "backup")
	if err := os.Mkdir(site, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(site, "first"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Setup.Mounts = append(c.Setup.Mounts, handshake.Mount{Source: site, Destination: "/data"})
	return c, site, backup
}

func holds(path, want string) error {
	got, err := os.ReadFile(path)
	if err == nil && string(got) != want {
		err = fmt.Errorf("%s holds %q", path, got)
	}
	return err
}

func TestReplication(t *testing.T) {
	c, site, backup := replicated(t)
	c.Run()
	if err := holds(filepath.Join(backup, "first"), "1"); err != nil {
		t.Error(err)
	}
	if got := c.App.Do("write", "/data/second", "2"); got != "ok" {
		t.Errorf("write from inside: %s", got)
	}
	if err := os.WriteFile(filepath.Join(site, "third"), []byte("3"), 0o644); err != nil {
		t.Errorf("write from the host: %v", err)
	}
	if got := c.App.Do("read", "/data/third"); got != "3" {
		t.Errorf("the host's write is seen as %s", got)
	}
	var s control.Status
	if err := c.Client().Call(t.Context(), control.MethodStatus, nil, &s); err != nil || len(s.Replicas) != 1 || !s.Replicas[0].Alive {
		t.Errorf("status: %v %+v", err, s.Replicas)
	}
	c.App.End()
	end := time.Now()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(end); took > 5*time.Second {
		t.Errorf("the end took %v: does the guard itself keep the replication busy?", took)
	}
	for name, want := range map[string]string{"first": "1", "second": "2", "third": "3"} {
		for _, dir := range []string{site, backup} {
			if err := holds(filepath.Join(dir, name), want); err != nil {
				t.Errorf("after the end: %v", err)
			}
		}
	}
	c.NothingLeft()
}

func TestKilledGuardsReplicationIsEnded(t *testing.T) {
	c, site, backup := replicated(t)
	c.Run()
	if got := c.App.Do("write", "/data/second", "2"); got != "ok" {
		t.Fatal(got)
	}
	c.Cmd.Process.Kill()
	c.Wait()
	c.App.End()
	if err := guard.Cleanup(t.Context(), c.Root, c.ID); err != nil {
		t.Fatal(err)
	}
	if err := holds(filepath.Join(backup, "second"), "2"); err != nil {
		t.Error(err)
	}
	c.NothingLeft()
	if err := holds(filepath.Join(site, "second"), "2"); err != nil {
		t.Error(err)
	}
}

// Everything of ours is killed at once: the source answers ENOTCONN until the clean-up.
func TestKilledReplicationIsUncovered(t *testing.T) {
	c, site, _ := replicated(t)
	c.Run()
	var s control.Status
	if err := c.Client().Call(t.Context(), control.MethodStatus, nil, &s); err != nil {
		t.Fatal(err)
	}
	c.Cmd.Process.Kill()
	if err := unix.Kill(s.Replicas[0].PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	guardtest.Retry(t, func() error {
		if _, err := os.ReadFile(filepath.Join(site, "first")); !errors.Is(err, unix.ENOTCONN) {
			return fmt.Errorf("a dead replication's folder answers %v", err)
		}
		return nil
	})
	c.App.End()
	for range 2 {
		if err := guard.Cleanup(t.Context(), c.Root, c.ID); err != nil {
			t.Fatal(err)
		}
	}
	c.NothingLeft()
	if err := holds(filepath.Join(site, "first"), "1"); err != nil {
		t.Error(err)
	}
}
