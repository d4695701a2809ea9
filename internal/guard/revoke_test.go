package guard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"klw/internal/audit"
	"klw/internal/guard/guardtest"
)

const revocable = `application test
@general
file /            read execute
file /data        read write revocable
`

// TestRevoke takes rights from files that are open, and gives them back.
func TestRevoke(t *testing.T) {
	f := guardtest.New(t, revocable)
	backing := filepath.Join(f.Bundle, "rootfs/data/f")
	for _, name := range []string{"f", "g"} {
		if err := os.WriteFile(filepath.Join(f.Bundle, "rootfs/data", name), []byte("first"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.Run()
	c := f.Client()
	step := func(name, policy string, revoked []string, tries string) {
		t.Helper()
		if policy != "" {
			done, err := load(t, c, f.Texts(policy))
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(done.Revoked)
			if !slices.Equal(done.Revoked, revoked) {
				t.Errorf("%s: revoked %q, want %q", name, done.Revoked, revoked)
			}
		}
		for line := range strings.Lines(tries) {
			try, want, ok := strings.Cut(strings.TrimSpace(line), " = ")
			if !ok {
				continue
			}
			words := strings.Fields(try)
			if got := f.App.Do(words[0], words[1:]...); got != want {
				t.Errorf("%s: %s gave %s, want %s", name, try, got, want)
			}
		}
	}
	step("open", "", nil, `
		hold rw /data/f rw = ok
		hold w /data/f w = ok
		hold g /data/g rw = ok
		hold pass /open.txt r = ok
		map rw = ok
		pread rw = first
		pwrite rw FIRST = ok
		peek rw = F
		copy rw g = ok
		pread g = FIRST
		poke rw stored = ok`)
	step("without write", strings.Replace(revocable, "write revocable", "", 1),
		[]string{"/data/f, opened by uid 0", "/data/g, opened by uid 0"}, `
		pread rw = store
		pwrite rw x = EACCES
		pwrite w x = EACCES
		ftruncate rw = EACCES
		fallocate rw = EACCES
		copy rw g = EACCES
		peek rw = s
		poke rw lost = ok
		msync rw = EACCES`)
	if text, err := os.ReadFile(backing); err != nil || string(text) != "store" {
		t.Errorf("on the backing: %q, %v: what was stored before must be there, what came later not", text, err)
	}
	step("without all", strings.Replace(guardtest.Policy, "read write", "none", 1), []string{"/data/f, opened by uid 0", "/data/g, opened by uid 0"}, `
		pread rw = EACCES
		pread g = EACCES
		peek rw = SIGBUS
		pwrite w x = EACCES
		pread pass = hello`)
	step("again", revocable, nil, `
		pread rw = store
		peek rw = s
		pwrite rw X = ok
		pread g = FIRST`)
	step("cleared", "application test\n", []string{"/data/f, opened by uid 0", "/data/g, opened by uid 0"}, `
		pread rw = EACCES
		pread pass = hello`)
	guardtest.Retry(t, func() error { // events come to the file a little later
		var told []string
		for _, e := range f.Events() {
			if e.Operation == audit.OpRevoke || e.Decision == audit.Refused {
				told = append(told, e.Operation+" "+e.Path+" "+e.Module+" "+e.Rule)
			}
		}
		for _, want := range []string{"revoke /data/f files klw.policy:4", "write /data/f files klw.policy:4", "read /data/f files no rule"} {
			if !slices.Contains(told, want) {
				return fmt.Errorf("no event %q in %q", want, told)
			}
		}
		return nil
	})
}

// TestOpenPassthroughStays: what is open without "revocable" is not asked about, and what is opened of it meanwhile goes
// the same way.
func TestOpenPassthroughStays(t *testing.T) {
	f := guardtest.New(t, strings.Replace(revocable, "revocable", "", 1))
	withData(t, f)
	f.Run()
	c := f.Client()
	do := func(want, command string, args ...string) {
		t.Helper()
		if got := f.App.Do(command, args...); got != want {
			t.Errorf("%s %v gave %s, want %s", command, args, got, want)
		}
	}
	do("ok", "hold", "old", "/data/x", "rw")
	if _, err := load(t, c, f.Texts(revocable)); err != nil {
		t.Fatal(err)
	}
	do("ok", "hold", "new", "/data/x", "rw")
	do("x", "pread", "new")
	if _, err := load(t, c, f.Texts("application test\n")); err != nil {
		t.Fatal(err)
	}
	do("ok", "pwrite", "old", "y")
	do("y", "pread", "new")
	do("EACCES", "read", "/data/x")
}
