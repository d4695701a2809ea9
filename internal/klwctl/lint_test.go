package klwctl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/exitcode"
	"klw/internal/guard/guardtest"
)

const questionable = `application x
@general
file /usr read execute
file /usr/share read execute
file /run read write
file /var/run read write
file /var read write
@user bob
file /home read
`

func TestLint(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	file, bad, good := write("x.policy", questionable), write("bad.policy", "x"), write("good.policy", "application x\n")
	mounts := write("mounts.policy", "application x\n@general\nfile / read\nfile /var/tmp/x read\nfile /srv/x read\n")
	bundle := newBundle(t, "CAP_SETUID")
	needless := "; remove the line, unless the path leads through a symbolic link or to a tmpfs, or the file has other names\n"
	share := file + ":4:1: what is at /usr/share has the same by " + file + ":3: file /usr read execute" + needless
	srv := mounts + ":5:1: what is at /srv/x has the same by " + mounts + ":3: file / read" + needless
	run := file + ":6:1: what is at /var/run has the same by " + file + ":7: file /var read write" + needless
	root := file + ":8:7: root keeps CAP_SETUID and can become bob: these rules are within root's reach too; " +
		"take CAP_SETUID out of config.json, or reserve the files in a circle\n"
	for _, c := range []struct {
		code int
		out  string
		args []string
	}{
		{0, share + run, []string{file}},
		{0, share + root, []string{file, "--bundle", bundle}},
		{0, share, []string{file, "--bundle", newBundle(t)}},
		{0, srv, []string{mounts, "--bundle", newBundle(t)}},
		{exitcode.Warned, share + run, []string{file, "--strict"}},
		{0, good + ": no warnings\n", []string{good, "--strict"}},
		{0, "[]\n", []string{good, "--json"}},
		{0, `[{"file":"` + file + `","line":4,"column":1,"message":"what is at /usr/share has the same by ` + file + `:3: file /usr read execute",` +
			`"advice":"remove the line, unless the path leads through a symbolic link or to a tmpfs, or the file has other names"}]` + "\n",
			[]string{file, "--json", "--bundle", newBundle(t)}},
		{exitcode.BadPolicy, "", []string{bad}},
		{exitcode.NotFound, "", []string{filepath.Join(dir, "none")}},
		{exitcode.Failed, "", []string{file, "--bundle", dir}},
		{exitcode.Usage, "", nil},
	} {
		code, out, errs := ctl(append([]string{"--root", dir, "policy", "lint"}, c.args...)...)
		if code != c.code || out != c.out {
			t.Errorf("%q: exit code %d, want %d\n%s%s", c.args, code, c.code, out, errs)
		}
	}
}

// newBundle makes a bundle whose /var/run is a symbolic link.
func newBundle(t *testing.T, capabilities ...string) string {
	dir := t.TempDir()
	spec := specs.Spec{
		Root:    &specs.Root{Path: "rootfs"},
		Mounts:  []specs.Mount{{Destination: "/var/tmp", Type: "tmpfs"}, {Destination: "/srv", Type: "bind"}},
		Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}},
	}
	text, err := json.Marshal(spec)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "rootfs/var"), 0o755)
	}
	if err == nil {
		err = os.Symlink("../run", filepath.Join(dir, "rootfs/var/run"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestLintOfAContainer wants the policy in force looked at, with what the container was created from.
func TestLintOfAContainer(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy+"file /data/again read write\nfile /var read\nfile /var/run read\n@user 1000\nfile /x read\n")
	f.Run()
	bundle := newBundle(t, "CAP_SETUID")
	dir := f.Root.Container(f.ID)
	config, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err == nil {
		err = os.WriteFile(dir.Config(), config, 0o600)
	}
	if err == nil {
		err = os.WriteFile(dir.State(), []byte(`{"rootfs":"`+bundle+`/rootfs"}`), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out := want(t, 0, []string{"what is at /data/again", "can become 1000"}, "--root", string(f.Root), "policy", "lint", f.ID)
	if len(out) == 0 || filepath.IsAbs(out) {
		t.Errorf("rules are named as events name them, not as\n%s", out)
	}
	want(t, exitcode.Warned, []string{"9 warnings", "klw.policy:5:1: file /secret none has decided nothing since it came into force"}, "--root", string(f.Root), "policy", "lint", f.ID, "--strict")
	want(t, exitcode.Usage, []string{"whose bundle is known"}, "--root", string(f.Root), "policy", "lint", f.ID, "--bundle", bundle)
}
