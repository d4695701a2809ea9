package klwctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klw/internal/exitcode"
	"klw/internal/guard/guardtest"
)

func TestPolicyCommands(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	root := func(args ...string) []string { return append([]string{"--root", string(f.Root)}, args...) }
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	if err := os.MkdirAll(f.Root.Policies(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Root.PolicyFile("base"), []byte("@general\nfile / read execute\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	opened := write("opened.policy", "application test\ninclude base\n@general\nfile /secret read\n")
	wrong := write("wrong.policy", "application test\n@general\nfile /x reed\nsocket tcp connect x\n")
	unbound := write("unbound.policy", "application test\n@user stranger\nfile /x read\n")
	fixed := write("fixed.policy", "application other\n@general\nfile / read\n")

	for _, tc := range []struct {
		code  int
		parts []string
		args  []string
	}{
		{0, []string{"-file /secret      none\n", "+file /secret read\n", "+++ base.policy\n@@"}, root("policy", "diff", f.ID, opened)},
		{0, []string{`"same":false`, `+include base`}, root("policy", "diff", f.ID, opened, "--json")},
		{exitcode.BadPolicy, []string{wrong + ":3:9: ", wrong + ":4:20: "}, root("policy", "load", f.ID, wrong)},
		{exitcode.BadPolicy, []string{"unbound.policy:2:7: "}, root("policy", "load", f.ID, unbound)},
		{exitcode.Conflict, []string{`application can't change from "test" to "other"`}, root("policy", "load", f.ID, fixed)},
		{exitcode.NotFound, []string{"no such file"}, root("policy", "load", f.ID, "/nowhere")},
		{exitcode.NotFound, []string{"no container"}, root("policy", "load", "nosuch", opened)},
		{exitcode.Usage, []string{"usage"}, root("policy", "load", f.ID)},
		{0, []string{"file /secret      none"}, root("policy", "show", f.ID)},
		{0, []string{"the policy " + opened + " is in force"}, root("policy", "load", f.ID, opened)},
		{0, []string{"include base"}, root("policy", "show", f.ID)},
		{0, []string{`"included":{"base.policy":"@general`}, root("policy", "show", f.ID, "--json")},
		{0, []string{`"same":true,"diff":""`}, root("policy", "diff", f.ID, opened, "--json")},
		{0, []string{`"policy":"` + opened}, root("policy", "load", f.ID, opened, "--json")},
		{0, []string{"allowed", "opened.policy:4"}, root("policy", "explain", f.ID, "file", "/secret/key", "read")},
		{0, []string{opened}, root("status", f.ID)},
		{0, []string{"everything is refused", "klwctl policy load " + f.ID}, root("policy", "clear", f.ID)},
		{exitcode.Refused, []string{"refused"}, root("policy", "explain", f.ID, "file", "/open.txt", "read")},
		{0, []string{"load", "in force is the policy " + opened, "in force is no rule at all"}, root("events")},
	} {
		want(t, tc.code, tc.parts, tc.args...)
	}
	if got := f.App.Do("read", "/open.txt"); got != "EACCES" {
		t.Errorf("cleared: %s", got)
	}
	want(t, 0, nil, root("policy", "load", f.ID, opened)...)
	if got := f.App.Do("read", "/secret/key"); got != "s3cret" {
		t.Errorf("loaded: %s", got)
	}
}

// TestLargePolicy loads as many rules as an administrator may write, far more than a request holds.
func TestLargePolicy(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	var text strings.Builder
	text.WriteString(guardtest.Policy)
	for i := range 100_000 {
		text.WriteString("file /data/")
		for _, d := range []int{i / 1000, i % 1000} {
			text.WriteString("d" + strings.Repeat("0", 4) + string(rune('a'+d%26)) + string(rune('a'+d/26%26)) + string(rune('a'+d/676)) + "/")
		}
		text.WriteString("file read write\n")
	}
	file := filepath.Join(t.TempDir(), "large.policy")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	want(t, 0, []string{"is in force"}, "--root", string(f.Root), "policy", "load", f.ID, file)
	want(t, 0, []string{"file /secret      none"}, "--root", string(f.Root), "policy", "show", f.ID)
	if got := f.App.Do("read", "/open.txt"); got != "hello" {
		t.Error(got)
	}
}
