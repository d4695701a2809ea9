package guard_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"klw/internal/guard/guardtest"
)

// loads is how often TestLoadsUnderWork exchanges the policy.
const loads = 200

// TestLoadsUnderWork exchanges two policies, with stacked ones that come and go, again and again under an application
// that does all the time what both allow: none of it fails, and each load is in force for the next operation.
func TestLoadsUnderWork(t *testing.T) {
	const both = "file /both read write\nsocket tcp connect 127.0.0.1:9\n"
	f := guardtest.New(t, guardtest.Policy+both)
	withData(t, f)
	if err := os.Mkdir(filepath.Join(f.Bundle, "rootfs/both"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.Run()
	c := f.Client()
	if got := f.App.Do("hammer", "/both", "/open.txt", "127.0.0.1:9"); got != "ok" {
		t.Fatal(got)
	}
	for i := range loads {
		old := i%2 == 0
		next := f.Texts(other + both)
		switch {
		case old:
			next = f.Texts(guardtest.Policy + both)
		case i%4 == 1:
			next = stacking(f, other+both, "one")
		}
		if _, err := load(t, c, next); err != nil {
			t.Fatal(err)
		}
		follows(t, f, old)
		if t.Failed() {
			t.Fatalf("after load %d", i)
		}
	}
	got := f.App.Do("hammered")
	if n, err := strconv.Atoi(got); err != nil || n < 1000 {
		t.Errorf("the application's work: %s", got)
	}
	t.Logf("%s operations during %d loads", got, loads)
	f.App.End()
	if err := f.Wait(); err != nil {
		t.Error(err)
	}
	if log, err := os.ReadFile(f.Root.Container(f.ID).GuardLog()); err != nil || strings.Contains(string(log), "DATA RACE") {
		t.Errorf("the guard's log: %v\n%s", err, log)
	}
}
