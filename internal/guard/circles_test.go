package guard_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/guard/guardtest"
)

// reserved is a policy with a circle of user www.
const reserved = guardtest.Policy + `
@circle www
reserve /data read write
`

// TestCircles: what is reserved is out of root's reach, nobody becomes its owner, and both change with the policy that is
// in force.
func TestCircles(t *testing.T) {
	f := guardtest.New(t, reserved)
	if err := os.WriteFile(filepath.Join(f.Bundle, "rootfs/data/x"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	f.Run()
	c := f.Client()
	if got := f.App.Do("confine", f.Root.Container(f.ID).Seccomp()); got != "ok" {
		t.Fatal(got)
	}
	want := func(lines ...string) {
		t.Helper()
		for _, line := range lines {
			do, result, _ := strings.Cut(line, " = ")
			words := strings.Fields(do)
			if got := f.App.Do(words[0], words[1:]...); got != result {
				t.Errorf("%s: %s, want %s", do, got, result)
			}
		}
	}
	held := []string{"read /data/x = EACCES", "write /data/x y = EACCES", "write /data/new y = EACCES", "mkdir /data/d = EACCES", "setuid 33 = EPERM"}
	want(held...)
	var modules []control.Module
	if err := c.Call(t.Context(), control.MethodModuleList, nil, &modules); err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if m.Name == "circles" && (!m.Loaded || m.Refused != 4) {
			t.Errorf("%+v", m)
		}
	}
	var a control.Answer
	q := control.Question{Kind: "file", User: "root", Path: "/data/x", Perm: "read"}
	if err := c.Call(t.Context(), control.MethodPolicyExplain, q, &a); err != nil || a.Allowed || a.Rule != "klw.policy:10" {
		t.Errorf("policy.explain: %v %+v", err, a)
	}
	for range 2 {
		if _, err := load(t, c, f.Texts(guardtest.Policy)); err != nil {
			t.Fatal(err)
		}
		want("read /data/x = x", "write /data/x x = ok")
		if _, err := load(t, c, f.Texts(strings.ReplaceAll(reserved, "@circle www", "@circle 34"))); err != nil {
			t.Fatal(err)
		}
		want("read /data/x = EACCES", "write /data/new y = EACCES", "setuid 34 = EPERM")
		if _, err := load(t, c, f.Texts(reserved)); err != nil {
			t.Fatal(err)
		}
		want(held...)
	}
	_, err := load(t, c, f.Texts(reserved+"reserve /data/x write\n"))
	if err == nil || !strings.Contains(err.Error(), "klw.policy:11:9: /data/x lies below /data, which is in the circle of www already") {
		t.Errorf("a second listing: %v", err)
	}
	if _, err := load(t, c, f.Texts(guardtest.Policy)); err != nil {
		t.Fatal(err)
	}
	want("setuid 33 = ok", "setuid 0 = EPERM") // nobody's circle any more; sealed still
	f.App.End()
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
	told := map[string]uint64{}
	for _, e := range f.Events() {
		if e.Operation == "setuid" && e.Decision != audit.Notice {
			told[e.Module+" "+e.Rule+" "+strings.SplitN(e.Hint, ":", 2)[0]] += e.Count
		}
	}
	want1, want2 := "seal klw.policy:10 nobody becomes the owner of a circle", `seal seal the policy line "seal off" would allow it`
	if len(told) != 2 || told[want1] != 5 || told[want2] != 1 {
		t.Errorf("told of %v", told)
	}
}

// TestCirclesNeedNoTracer: circles aren't loaded into a container whose root may trace everybody.
func TestCirclesNeedNoTracer(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Setup.MayTrace = true
	f.Run()
	c := f.Client()
	_, err := load(t, c, f.Texts(reserved))
	want := "klw.policy: @circle www can't hold in a container that has CAP_SYS_PTRACE"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	if got := f.App.Do("write", "/data/x", "x"); got != "ok" {
		t.Errorf("writing where the policy in force lets it: %s", got)
	}
}
