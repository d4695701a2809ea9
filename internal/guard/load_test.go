package guard_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/guard/guardtest"
	"klw/internal/handshake"
	"klw/internal/policy"
)

// other allows what guardtest.Policy refuses and the other way round.
const other = `application test

@general
file /            read execute
file /data        none
file /secret      read
socket tcp connect 127.0.0.1:2
`

// low is a policy to be stacked: it refuses nothing that guardtest.Policy or other gives.
const low = "@general\nfile / read write execute\nsocket tcp connect 127.0.0.0/8:*\n"

// stacking gives a policy with a further module, of one name or another.
func stacking(f *guardtest.Container, text, name string) policy.Texts {
	texts := f.Texts(strings.Replace(text, "@general", "stack "+name+"\n@general", 1))
	texts.Included = map[string]string{name + ".policy": low}
	return texts
}

// load asks for a load and gives the error with its code.
func load(t *testing.T, c *control.Client, texts policy.Texts) (control.PolicyLoaded, error) {
	var done control.PolicyLoaded
	return done, c.CallLarge(t.Context(), control.MethodPolicyLoad, texts, &done)
}

// follows checks which of the two policies the application is held to: all of it and nothing else.
func follows(t *testing.T, f *guardtest.Container, old bool) {
	t.Helper()
	for _, tc := range []struct{ do, arg, old, new string }{
		{"read", "/secret/key", "EACCES", "s3cret"},
		{"read", "/data/x", "x", "EACCES"},
		{"read", "/open.txt", "hello", "hello"},
		{"connect", "127.0.0.1:1", "ECONNREFUSED", "EPERM"},
		{"connect", "127.0.0.1:2", "EPERM", "ECONNREFUSED"},
	} {
		want := tc.new
		if old {
			want = tc.old
		}
		if got := f.App.Do(tc.do, tc.arg); got != want {
			t.Errorf("%s %s: %s, want %s", tc.do, tc.arg, got, want)
		}
	}
}

// onDisk gives what exec would read.
func onDisk(t *testing.T, f *guardtest.Container) policy.Texts {
	t.Helper()
	kept, err := os.ReadFile(f.Root.Container(f.ID).Policy())
	if err != nil {
		t.Fatal(err)
	}
	texts, err := policy.DecodeTexts(kept)
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func withData(t *testing.T, f *guardtest.Container) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.Bundle, "rootfs/data/x"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPolicyIsLoadedAndCleared(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	withData(t, f)
	f.Run()
	c := f.Client()
	follows(t, f, true)
	next := policy.Texts{File: "/elsewhere/next.policy", Text: strings.Replace(other, "@general", "include part\n@general", 1),
		Included: map[string]string{"part.policy": "@general\nfile /only/in/part write\n"}}
	for range 3 {
		done, err := load(t, c, next)
		if err != nil || done.Policy != next.File {
			t.Fatal(done, err)
		}
		follows(t, f, false)
		var s control.Status
		if err := c.Call(t.Context(), control.MethodStatus, nil, &s); err != nil || s.Policy != next.File {
			t.Error(err, s.Policy)
		}
		var a control.Answer
		q := control.Question{Kind: "file", Path: "/only/in/part", Perm: "write"}
		if err := c.Call(t.Context(), control.MethodPolicyExplain, q, &a); err != nil || a.Rule != "part.policy:2" {
			t.Error(err, a)
		}
		if kept := onDisk(t, f); kept.Included["part.policy"] == "" || kept.Text != next.Text {
			t.Errorf("on disk: %+v", kept)
		}
		if err := c.Call(t.Context(), control.MethodPolicyClear, nil, &done); err != nil {
			t.Fatal(err)
		}
		for _, try := range [][]string{{"EACCES", "read", "/open.txt"}, {"EACCES", "read", "/secret/key"}, {"EACCES", "read", "/data/x"},
			{"EPERM", "connect", "127.0.0.1:1"}, {"EPERM", "connect", "127.0.0.1:2"}} {
			if got := f.App.Do(try[1], try[2]); got != try[0] {
				t.Errorf("cleared: %v gave %s", try[1:], got)
			}
		}
		if _, err := load(t, c, f.Texts(guardtest.Policy)); err != nil {
			t.Fatal(err)
		}
		follows(t, f, true)
	}
	f.App.End()
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
	told := map[string]uint64{}
	for _, e := range f.Events() {
		if e.Operation == audit.OpLoad {
			told[e.Hint] += e.Count
			if e.Module != "policy" || e.UID != 0 || e.PID != uint32(os.Getpid()) || e.Comm == "" {
				t.Errorf("event %+v", e)
			}
		}
	}
	if len(told) != 3 || told["in force is the policy "+next.File] != 3 || told["in force is no rule at all, so everything is refused"] != 3 {
		t.Errorf("events %v", told)
	}
}

// TestBadPolicyChangesNothing wants every mistake told, with its place, and the old policy in force.
func TestBadPolicyChangesNothing(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	withData(t, f)
	f.Run()
	c := f.Client()
	const header = "application test\n"
	for _, tc := range []struct {
		text string
		code control.Code
		want []string
	}{
		{"application test\nbogus\n@general\nfile relative read\n", control.CodePolicy, []string{"klw.policy:2:1: ", "klw.policy:4:6: "}},
		{header + "include nowhere\n", control.CodePolicy, []string{"klw.policy:2:9: can't include nowhere"}},
		{header + "@general\nfile /data read\n@test\nrefuse file /data/x read\nallow file /data/y read\nallow socket tcp connect 10.0.0.1:1\n",
			control.CodePolicy, []string{"klw.policy:5:1: not as expected (refuse file /data/x read): allowed", "klw.policy:7:1: not as expected"}},
		{header + "@test\nallow file / read as nobody1\n", control.CodePolicy, []string{"nobody1"}},
		{header + "@user nobody1\nfile /a read\n@user nobody2\nfile /b read\n", control.CodePolicy, []string{"klw.policy:2:7: ", "klw.policy:4:7: "}},
		{"application x\ncompartment y\nseal off\npublish tcp 127.0.0.1:1 -> 2\n@replicate\n/data -> /d\n@general\nsocket tcp listen :2\n", control.CodeConflict, []string{
			`klw.policy: application can't change from "test" to "x"`, `compartment can't change from "default" to "y"`,
			`seal can't change from "on" to "off"`, `publish can't change from "" to "publish tcp 127.0.0.1:1 -> 2"`,
			`@replicate can't change`, "make a new one"}},
	} {
		_, err := load(t, c, f.Texts(tc.text))
		var coded *control.Error
		if !errors.As(err, &coded) || coded.Code != tc.code {
			t.Errorf("%q: %v", tc.text, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(coded.Msg, want) {
				t.Errorf("%q: %s, want %s", tc.text, coded.Msg, want)
			}
		}
		follows(t, f, true)
		if onDisk(t, f).Text != guardtest.Policy {
			t.Error("the policy on disk has changed")
		}
	}
}

// TestHomes wants a user's home to be where the container's own list says, and one that is everything refused.
func TestHomes(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	withData(t, f)
	list := "root:x:0:0::/secret:/bin/sh\nwww:x:33:33::/:/bin/sh\n"
	if err := os.WriteFile(filepath.Join(f.Bundle, "rootfs/etc/passwd"), []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	f.Run()
	c := f.Client()
	if got := f.App.Do("read", "/secret/key"); got == "s3cret" {
		t.Fatal("the file is open already")
	}
	if _, err := load(t, c, f.Texts("application test\n@general\nfile / read\nfile /secret none\n@user root\nfile ~/key read\n")); err != nil {
		t.Fatal(err)
	}
	if got := f.App.Do("read", "/secret/key"); got != "s3cret" {
		t.Errorf("root reads a file in his home: %s", got)
	}
	_, err := load(t, c, f.Texts("application test\n@user www\nfile ~/key read\n"))
	if err == nil || !strings.Contains(err.Error(), "klw.policy:3:1: the home of www: it is /") {
		t.Errorf("a home that is everything: %v", err)
	}
}

// TestKernelRulesStay wants rules that became mount options to be there in every policy.
func TestKernelRulesStay(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy+"file /run read write\n")
	f.Setup.Kernel = kernelMounts("/run", "/proc")
	f.Run()
	c := f.Client()
	for text, want := range map[string]string{
		guardtest.Policy:                      "file /run read write (klw.policy:8) became options of the mount",
		guardtest.Policy + "file /run read\n": "klw.policy:8:1: file /run read is about /run, which the container has from the kernel",
		guardtest.Policy + "file /run read write\n@user root\nfile /proc/1 read\n":                         "klw.policy:10:1: file /proc/1 read is about /proc",
		strings.Replace(guardtest.Policy, "@general", "stack low\n@general", 1) + "file /run read write\n": "",
		guardtest.Policy + "# another line\nfile /run read write\n":                                        "",
	} {
		texts := f.Texts(text)
		texts.Included = map[string]string{"low.policy": low}
		_, err := load(t, c, texts)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want %s", text, err, want)
		}
	}
}

// TestLearningIsSaid: rules of a module that learns refuse nothing. A load says so, and a clear can't be.
func TestLearningIsSaid(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	withData(t, f)
	f.Run()
	c := f.Client()
	learn := func(action string) {
		t.Helper()
		if err := c.Call(t.Context(), control.MethodPolicyLearn, control.Learn{Action: action}, nil); err != nil {
			t.Fatal(err)
		}
	}
	learn("start")
	done, err := load(t, c, f.Texts(other))
	if err != nil || !slices.ContainsFunc(done.Warnings, func(w string) bool { return strings.Contains(w, "module files learns") }) {
		t.Errorf("%q %v", done.Warnings, err)
	}
	err = c.Call(t.Context(), control.MethodPolicyClear, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "policy learn "+f.ID+" --stop") {
		t.Errorf("clear: %v", err)
	}
	if got := f.App.Do("read", "/data/x"); got != "x" {
		t.Errorf("while it learns: %s", got)
	}
	learn("stop")
	follows(t, f, false)
}

// TestFailedStepChangesNothing lets every step of a load fail: the old policy is in force, on disk too, and the next
// load works.
func TestFailedStepChangesNothing(t *testing.T) {
	failing := filepath.Join(t.TempDir(), "failing")
	t.Setenv("KLW_TEST_FAILING", failing)
	f := guardtest.New(t, guardtest.Policy)
	withData(t, f)
	f.Run()
	c := f.Client()
	first, second := stacking(f, guardtest.Policy, "one"), stacking(f, other, "two")
	if _, err := load(t, c, first); err != nil {
		t.Fatal(err)
	}
	modules := func() (names []string) {
		var list []control.Module
		if err := c.Call(t.Context(), control.MethodModuleList, nil, &list); err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			names = append(names, m.Name)
		}
		return names
	}
	before := strings.Join(modules(), " ")
	if !strings.Contains(before, "files:one") {
		t.Error(before)
	}
	for _, step := range []string{"write the policy down", "exchange the socket rules", "put the policy's file into place",
		"hold to both policies", "register files:two", "swap the rules", "unregister files:one"} {
		if err := os.WriteFile(failing, []byte(step), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := load(t, c, second); err == nil || !strings.Contains(err.Error(), step+": failed by a test") {
			t.Fatalf("%s: %v", step, err)
		}
		follows(t, f, true)
		if onDisk(t, f).Text != first.Text {
			t.Errorf("%s: the policy on disk has changed", step)
		}
		if _, err := os.Stat(f.Root.Container(f.ID).Policy() + ".tmp"); err == nil {
			t.Errorf("%s: what was written is left", step)
		}
		if now := modules(); !same(now, before) {
			t.Errorf("%s: modules %q, before %s", step, now, before)
		}
		if err := os.Remove(failing); err != nil {
			t.Fatal(err)
		}
		if _, err := load(t, c, second); err != nil {
			t.Fatal(err)
		}
		follows(t, f, false)
		if _, err := load(t, c, first); err != nil {
			t.Fatal(err)
		}
	}
}

// same compares modules, whatever their order.
func same(names []string, want string) bool {
	wanted := strings.Fields(want)
	slices.Sort(wanted)
	slices.Sort(names)
	return slices.Equal(names, wanted)
}

// TestUnloadedModuleStopsALoad: what the administrator took out of force is neither put back nor left out unsaid.
func TestUnloadedModuleStopsALoad(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	withData(t, f)
	f.Run()
	c := f.Client()
	for _, name := range []string{"files", "sockets"} {
		if err := c.Call(t.Context(), control.MethodModuleUnload, control.Name{Name: name}, nil); err != nil {
			t.Fatal(err)
		}
		_, err := load(t, c, f.Texts(other))
		var coded *control.Error
		if !errors.As(err, &coded) || coded.Code != control.CodeConflict || !strings.Contains(coded.Msg, "klwctl module load "+f.ID+" "+name) {
			t.Errorf("load with %s unloaded: %v", name, err)
		}
		if err := c.Call(t.Context(), control.MethodPolicyClear, nil, nil); !errors.As(err, &coded) || coded.Code != control.CodeConflict {
			t.Errorf("clear with %s unloaded: %v", name, err)
		}
		if err := c.Call(t.Context(), control.MethodModuleLoad, control.Name{Name: name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	follows(t, f, true)
	if _, err := load(t, c, f.Texts(other)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"files", "sockets"} {
		for _, method := range []string{control.MethodModuleUnload, control.MethodModuleLoad} {
			if err := c.Call(t.Context(), method, control.Name{Name: name}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	follows(t, f, false) // what is loaded again is the policy in force, not the first one
}

func kernelMounts(at ...string) (list []handshake.KernelMount) {
	for _, m := range at {
		list = append(list, handshake.KernelMount{Destination: m, Rules: []string{m}})
	}
	return list
}

// A module that is loaded already stays the one that a policy's rules go to when somebody asks to load it again.
func TestLoadingAgainChangesNothing(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	withData(t, f)
	f.Run()
	c := f.Client()
	for _, name := range []string{"files", "sockets"} {
		var coded *control.Error
		err := c.Call(t.Context(), control.MethodModuleLoad, control.Name{Name: name}, nil)
		if !errors.As(err, &coded) || coded.Code != control.CodeConflict {
			t.Fatalf("load %s again: %v", name, err)
		}
	}
	follows(t, f, true)
	if _, err := load(t, c, f.Texts(other)); err != nil {
		t.Fatal(err)
	}
	follows(t, f, false)
}
