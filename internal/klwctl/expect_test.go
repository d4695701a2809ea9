package klwctl

import (
	"os"
	"path/filepath"
	"testing"

	"klw/internal/exitcode"
)

const expecting = `application x
stack base
@general
file /srv read write
file /srv/private none
socket tcp listen :80
socket unix connect @bus
@user bob
file /srv/private read
@user 0
file /root read
@test
allow file /srv/x read
refuse file /srv/x read write
allow file /srv/private read as bob
refuse file /srv/private read
allow file /root read as root
allow socket tcp listen :80
refuse socket tcp listen :81
allow socket unix connect @bus as www-data
`

// base lets nobody write.
const base = `@general
file / read
socket tcp listen :*
socket unix connect @*
`

func TestExpectations(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("policies/base.policy", base)
	met := write("met.policy", expecting)
	unmet := write("unmet.policy", expecting+"allow file /srv/x write as bob\nrefuse socket tcp listen 10.0.0.1:80\nallow file /srv/private write\n")
	none := write("none.policy", "application x\n")
	bad := write("bad.policy", "application x\n@test\nallow file x read\n")
	for _, c := range []struct {
		code  int
		parts []string
		args  []string
	}{
		{0, []string{"met.policy: 8 expectations, all met"}, []string{met}},
		{0, []string{`"ok":true,"expectations":8,"unmet":[]`}, []string{met, "--json"}},
		{exitcode.Unmet, []string{
			unmet + ":21: allow file /srv/x write as bob\n   refused: write of /srv/x for bob (base.policy:2: file / read in the stacked policy base)\n" +
				"   would be allowed by: file /srv/x read write in the stacked policy base\n",
			unmet + ":22: refuse socket tcp listen 10.0.0.1:80\n   allowed: tcp listen 10.0.0.1:80 (",
			unmet + ":23: allow file /srv/private write\n   refused: write of /srv/private for users without rules of their own (" + unmet + ":5: file /srv/private none)",
			"11 expectations, 3 not met",
		}, []string{unmet}},
		{exitcode.Unmet, []string{`"line":21,"column":1,"expected":"allow file /srv/x write as bob","answer":{"allowed":false,"rule":"base.policy:2"`}, []string{unmet, "--json"}},
		{0, []string{"no expectations"}, []string{none}},
		{exitcode.BadPolicy, []string{bad + ":3:12: x is not absolute"}, []string{bad}},
		{exitcode.Failed, []string{"no such file"}, []string{filepath.Join(dir, "missing")}},
		{exitcode.Usage, []string{"usage:"}, nil},
	} {
		want(t, c.code, c.parts, append([]string{"--root", dir, "policy", "test"}, c.args...)...)
	}
}

// TestFilesThatCantBeRead wants each way in which a named file can be missing told with the line that names it.
func TestFilesThatCantBeRead(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "policies")
	file := filepath.Join(dir, "x.policy")
	lines := "application x\ninclude loop\nstack folder\ninclude gone\n"
	err := os.MkdirAll(filepath.Join(folder, "folder.policy"), 0o755)
	if err == nil {
		err = os.Symlink("loop.policy", filepath.Join(folder, "loop.policy"))
	}
	if err == nil {
		err = os.WriteFile(file, []byte(lines), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	want(t, exitcode.BadPolicy, []string{
		file + ":2:9: can't include loop: open loop.policy: too many levels of symbolic links, expected the name of a policy\n",
		file + ":3:7: can't stack folder: read folder.policy: is a directory, expected the name of a policy\n",
		file + ":4:9: can't include gone: no gone.policy there, expected the name of a policy\n",
	}, "--root", dir, "policy", "check", file)
}
