package klwctl

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v3"

	"klw/internal/audit"
	"klw/internal/exitcode"
	"klw/internal/guard/guardtest"
)

func TestMain(m *testing.M) {
	if os.Getenv("KLW_TEST_AS_KLWCTL") != "" { // for tests that need klwctl in a namespace of its own
		os.Exit(Main(os.Args, os.Stdout, os.Stderr))
	}
	os.Exit(guardtest.Main(m))
}

// ctl runs klwctl and gives its exit code and what it printed.
func ctl(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Main(append([]string{"klwctl"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

// want runs klwctl and checks its exit code and that its output has each of parts.
func want(t *testing.T, code int, parts []string, args ...string) string {
	t.Helper()
	got, out, errs := ctl(args...)
	if got != code {
		t.Errorf("klwctl %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, errs)
	}
	for _, p := range parts {
		if !strings.Contains(out+errs, p) {
			t.Errorf("klwctl %s: no %q in\n%s%s", strings.Join(args, " "), p, out, errs)
		}
	}
	return out
}

func TestWithARunningGuard(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	f.App.Do("read", "/secret/key")
	root := func(args ...string) []string { return append([]string{"--root", string(f.Root)}, args...) }
	for _, tc := range []struct {
		code  int
		parts []string
		args  []string
	}{
		{0, []string{f.ID, "enforcing", "/ <- ", "passthrough", "files (id 1", "klw.policy"}, root("status")},
		{0, []string{`"state":"enforcing"`}, root("status", f.ID, "--json")},
		{0, []string{"files", "sockets", "seal", "audit", "opendir"}, root("module", "list", f.ID)},
		{0, []string{"module audit is loaded"}, root("module", "load", f.ID, "audit")},
		{exitcode.Conflict, []string{"loaded already"}, root("module", "load", f.ID, "audit")},
		{0, []string{"module audit is unloaded"}, root("module", "unload", f.ID, "audit")},
		{exitcode.NotFound, []string{"no module"}, root("module", "load", f.ID, "x")},
		{exitcode.Usage, []string{"--yes"}, root("module", "unload", f.ID, "files")},
		{exitcode.Conflict, []string{"can't be unloaded"}, root("module", "unload", f.ID, "seal", "--yes")},
		{0, []string{"module files is unloaded"}, root("module", "unload", f.ID, "files", "--yes")},
		{0, []string{"NOT ENFORCED", "file rules"}, root("status", f.ID)},
		{0, []string{"module files is loaded"}, root("module", "load", f.ID, "files")},
		{0, []string{"file /secret      none"}, root("policy", "show", f.ID)},
		{exitcode.Refused, []string{"refused", "klw.policy:5"}, root("policy", "explain", f.ID, "file", "/secret/key", "read", "--user", "root")},
		{0, []string{"allowed", "klw.policy:6"}, root("policy", "explain", f.ID, "file", "/data/x", "read", "write")},
		{exitcode.Usage, []string{"no user"}, root("policy", "explain", f.ID, "file", "/data/x", "read", "--user", "nobody")},
		{0, []string{"msg=enforcing"}, root("log", "show", f.ID)},
		{0, []string{`{"line":"time=`}, root("log", "show", f.ID, "--json")},
		{exitcode.NotFound, []string{"no container"}, root("log", "show", "nosuch")},
		{0, []string{"info"}, root("log", "level", f.ID)},
		{0, []string{"debug"}, root("log", "level", f.ID, "debug")},
		{exitcode.Usage, []string{"expected debug"}, root("log", "level", f.ID, "loud")},
		{0, []string{"open /secret/key REFUSED EACCES by files (klw.policy:5)"}, root("events")},
		{exitcode.NotFound, []string{"no container"}, root("status", "nosuch")},
		{exitcode.NotFound, []string{"no events"}, root("events", "--container", "nosuch")},
	} {
		want(t, tc.code, tc.parts, tc.args...)
	}
	if out := want(t, 0, nil, root("status", "--generate-shell-completion")...); !strings.Contains(out, f.ID) {
		t.Errorf("completion offers %q", out)
	}
	f.Cmd.Process.Kill()
	f.Wait()
	want(t, exitcode.NotRunning, []string{"is gone"}, root("status", f.ID)...)
	want(t, 0, []string{"error", "is gone"}, root("status")...)
}

func TestEventsAreFollowedAcrossContainers(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	var out, errs lockedBuffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- New(&out, &errs).Run(ctx, []string{"klwctl", "--root", string(f.Root), "events", "-f", "--json"})
	}()
	time.Sleep(50 * time.Millisecond) // it follows before the container exists
	f.Run()
	one := make(chan string, 1)
	go func() {
		_, out, _ := ctl("--root", string(f.Root), "events", "-f", "--since", "all", "--container", f.ID)
		one <- out
	}()
	time.Sleep(50 * time.Millisecond)
	f.App.Do("read", "/secret/key")
	f.App.End()
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
	if out := <-one; !strings.Contains(out, "start guard") || !strings.Contains(out, "/secret/key") || !strings.Contains(out, "stop guard") {
		t.Errorf("one container, to its end:\n%s", out)
	}
	guardtest.Retry(t, func() error {
		var ops []string
		for line := range strings.Lines(out.String()) {
			var e audit.Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				return err
			}
			ops = append(ops, e.Operation)
		}
		if got := strings.Join(ops, " "); got != "start open stop" {
			return usage("followed: %s", got)
		}
		return nil
	})
	cancel()
	<-ended
	// and after its end
	want(t, 0, []string{"/secret/key"}, "--root", string(f.Root), "events", "--container", f.ID)
}

func TestPolicyFiles(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.policy"), filepath.Join(dir, "bad.policy")
	os.WriteFile(good, []byte("application x\n@general\nfile /usr read execute\nsocket tcp connect 10.0.0.0/8:5432\nsocket unix connect @bus*\n@user www\nfile /private read\nsocket tcp listen :80\n"), 0o600)
	os.WriteFile(bad, []byte("application x\n@general\nfile usr read\nsocket tcp dance :1\n"), 0o600)
	circles := filepath.Join(dir, "circles.policy")
	os.WriteFile(circles, []byte("application x\n@general\nfile /home read write\n@circle bob\nreserve /home write\n"), 0o600)
	for _, tc := range []struct {
		code  int
		parts []string
		args  []string
	}{
		{0, []string{"no mistakes"}, []string{"policy", "check", good}},
		{exitcode.BadPolicy, []string{bad + ":3:", bad + ":4:", "2 mistakes"}, []string{"policy", "check", bad}},
		{exitcode.BadPolicy, []string{`"line":3`, `"line":4`, `"ok":false`}, []string{"policy", "check", bad, "--json"}},
		{exitcode.Failed, []string{"no such file"}, []string{"policy", "check", filepath.Join(dir, "none")}},
		{exitcode.BadPolicy, []string{bad + ":3:"}, []string{"policy", "explain", bad, "file", "/usr", "read"}},
		{exitcode.NotFound, []string{"neither a container nor"}, []string{"policy", "explain", "none", "file", "/usr", "read"}},
		{0, []string{"allowed", "good.policy:3"}, []string{"policy", "explain", good, "file", "/usr/bin", "execute"}},
		{exitcode.Refused, []string{"no rule", "would be allowed by: file /private read"}, []string{"policy", "explain", good, "file", "/private", "read"}},
		{0, []string{"allowed", "good.policy:7"}, []string{"policy", "explain", good, "file", "/private", "read", "--user", "www"}},
		{exitcode.Usage, []string{"expected read, write or execute"}, []string{"policy", "explain", good, "file", "/usr", "rwx"}},
		{0, []string{"good.policy:4"}, []string{"policy", "explain", good, "socket", "tcp", "connect", "10.1.2.3:5432"}},
		{exitcode.Refused, []string{"socket tcp connect 11.1.2.3:5432"}, []string{"policy", "explain", good, "socket", "tcp", "connect", "11.1.2.3:5432"}},
		{exitcode.Refused, nil, []string{"policy", "explain", good, "socket", "tcp", "listen", ":80"}},
		{0, []string{"good.policy:8"}, []string{"policy", "explain", good, "socket", "tcp", "listen", ":80", "--user", "www"}},
		{0, []string{"good.policy:5"}, []string{"policy", "explain", good, "socket", "unix", "connect", "@bus1"}},
		{exitcode.Usage, []string{"expected an abstract name"}, []string{"policy", "explain", good, "socket", "unix", "connect", "/run/x"}},
		{exitcode.Usage, []string{"expected connect or listen"}, []string{"policy", "explain", good, "socket", "tcp", "dance", ":80"}},
		{exitcode.Usage, []string{"expected ADDRESS:PORT"}, []string{"policy", "explain", good, "socket", "tcp", "connect", "host"}},
		{exitcode.Usage, []string{"usage:"}, []string{"policy", "explain", good}},
		{exitcode.Refused, []string{"setuid to root for www (seal)", `"seal off"`}, []string{"policy", "explain", good, "process", "setuid", "root", "--user", "www"}},
		{0, []string{"allowed: setuid to root for 0"}, []string{"policy", "explain", good, "process", "setuid", "root", "--user", "0"}},
		{0, []string{"allowed: setuid to www for users"}, []string{"policy", "explain", good, "process", "setuid", "www"}},
		{exitcode.Refused, []string{"setuid to bob for root (" + circles + ":5)", "nobody becomes the owner"}, []string{"policy", "explain", circles, "process", "setuid", "bob", "--user", "root"}},
		{0, []string{"allowed"}, []string{"policy", "explain", circles, "process", "setuid", "bob", "--user", "bob"}},
		{exitcode.Refused, []string{circles + ":5: reserve /home write", "being user bob"}, []string{"policy", "explain", circles, "file", "/home/x", "write", "--user", "root"}},
		{exitcode.Refused, []string{"refused (EPERM): mount (no rule)\nno policy can allow it: changes"}, []string{"policy", "explain", good, "process", "syscall", "mount"}},
		{0, []string{"allowed: unshare", "\nrefused (EPERM): unshare that makes a namespace: "}, []string{"policy", "explain", good, "process", "syscall", "unshare"}},
		{0, []string{"allowed: mq_open", "where the rule for the message queues is none"}, []string{"policy", "explain", good, "process", "syscall", "mq_open"}},
		{exitcode.Usage, []string{"no system call"}, []string{"policy", "explain", good, "process", "syscall", "dance"}},
		{0, []string{"good.policy:3"}, []string{"policy", "explain", good, "process", "exec", "/usr/bin/x"}},
		{exitcode.Usage, []string{"expected setuid, syscall or exec"}, []string{"policy", "explain", good, "process", "dance", "x"}},
		{exitcode.Usage, []string{"expected file, socket or process"}, []string{"policy", "explain", good, "process.", "dance", "x"}},
	} {
		want(t, tc.code, tc.parts, tc.args...)
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{"nothing"}, {"policy", "nothing"}, {"status", "a", "b"}, {"status", "--nothing"}, {"status", "../x"},
		{"events", "--since", "yesterday"}, {"events", "--container", "a/b"}, {"version", "x"}, {"module", "load", "x"},
	} {
		want(t, exitcode.Usage, nil, args...)
	}
	want(t, 0, []string{"klwctl 0"}, "version")
	want(t, 0, []string{"no container with a guard"}, "--root", t.TempDir(), "status")
	want(t, 0, []string{"[]"}, "--root", t.TempDir(), "status", "--json")
	want(t, 0, nil, "--root", t.TempDir(), "events")
}

// Every command has a usage line, and its help has an example that names it.
func TestHelpHasExamples(t *testing.T) {
	var walk func(path []string, c *cli.Command)
	walk = func(path []string, c *cli.Command) {
		name := strings.Join(path, " ")
		if c.Usage == "" || !strings.Contains(c.Description, "Example:\n   klwctl") {
			t.Errorf("%s: usage %q, description without an example: %q", name, c.Usage, c.Description)
		}
		if c.ArgsUsage != "" && !strings.Contains(c.Description, "Example:\n   "+name) {
			t.Errorf("%s: the example is of something else: %q", name, c.Description)
		}
		for _, sub := range c.Commands {
			walk(append(path, sub.Name), sub)
		}
	}
	walk([]string{"klwctl"}, New(&bytes.Buffer{}, &bytes.Buffer{}))
	out := want(t, 0, []string{"Exit codes", "5 policy explain: refused"}, "--help")
	if !strings.Contains(out, "events") {
		t.Error(out)
	}
	want(t, 0, []string{"Example:", "--since"}, "events", "--help")
	want(t, 0, []string{"complete"}, "completion", "bash")
}

func TestLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.Local)
	for _, tc := range []struct {
		event audit.Event
		want  string
	}{
		{audit.Event{Container: "web", PID: 7, UID: 33, Comm: "apache2", Operation: "open", Path: "/etc/shadow", Module: "files",
			Decision: audit.Refused, Rule: "klw.policy:12", Errno: "EACCES", Hint: "file /etc/shadow read", Count: 3},
			"web uid 33 apache2[7] open /etc/shadow REFUSED EACCES by files (klw.policy:12) 3 times | file /etc/shadow read"},
		{audit.Event{Container: "web", UID: 33, Comm: "\x1b[31m", Operation: "unlink", Path: "/a\nb\u202e", Module: "files",
			Decision: audit.Refused, Rule: "no rule", Errno: "EACCES", Count: 1},
			`web uid 33 \x1b[31m[0] unlink /a\nb\u202e REFUSED EACCES by files (no rule)`},
		{audit.Event{Container: "web", PID: 7, Operation: "read", Path: "/a", Module: "audit", Decision: audit.Audit, Count: 1}, "web uid 0 ?[7] read /a ok"},
		{audit.Event{Container: "web", Operation: "unload", Module: "files", Decision: audit.Notice, Count: 1}, "web unload files"},
		{audit.Event{Container: "web", Operation: "events", Decision: audit.Lost, Count: 9}, "web LOST 9 events"},
	} {
		tc.event.Time = at
		if got := line(tc.event); got != "2026-01-02 03:04:05.006 "+tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}
