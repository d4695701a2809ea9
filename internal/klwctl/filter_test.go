package klwctl

import (
	"testing"
	"time"

	"klw/internal/audit"
	"klw/internal/exitcode"
	"klw/internal/layout"
)

// keep writes events into the log of a container that has ended.
func keep(t *testing.T, root layout.Root, id string, events ...audit.Event) {
	t.Helper()
	log, err := audit.Open(root.Events(), id, audit.Options{Application: "web"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		log.Record(e)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

var someEvents = []audit.Event{
	{Operation: "open", Path: "/etc/shadow", UID: 33, Comm: "cat", Module: "files", Decision: audit.Refused, Rule: "no rule", Errno: "EACCES"},
	{Operation: "connect", Address: "tcp 192.0.2.1:80", Comm: "curl", Module: "sockets", Decision: audit.Refused, Rule: "no rule", Errno: "EPERM"},
	{Operation: "open", Path: "/etcetera", Comm: "cat", Module: "files", Decision: audit.Refused, Rule: "no rule", Errno: "EACCES"},
	{Operation: audit.OpStart, Module: "guard", Decision: audit.Notice},
	{Operation: audit.OpEvents, Module: "events", Decision: audit.Lost, Count: 7},
}

func TestFilters(t *testing.T) {
	root := layout.Root(t.TempDir())
	keep(t, root, "web", someEvents...)
	for _, c := range []struct {
		args  []string
		shown int // besides the lost ones, which are always told
	}{
		{nil, 4},
		{[]string{"--decision", "refused"}, 3},
		{[]string{"--decision", "notice,audit"}, 1},
		{[]string{"--module", "files,sockets"}, 3},
		{[]string{"--operation", "connect"}, 1},
		{[]string{"--command", "cat"}, 2},
		{[]string{"--path", "/etc"}, 1},
		{[]string{"--path", "/"}, 2},
		{[]string{"--uid", "33"}, 1},
		{[]string{"--uid", "33", "--path", "/etcetera"}, 0},
		{[]string{"--application", "web"}, 4},
		{[]string{"--compartment", "web"}, 0},
	} {
		args := append([]string{"--root", string(root), "--json", "events"}, c.args...)
		if code, out, errs := ctl(args...); code != 0 || lineCount(out) != c.shown+1 {
			t.Errorf("%q: exit code %d, %d events, want %d\n%s%s", c.args, code, lineCount(out), c.shown+1, out, errs)
		}
	}
	want(t, exitcode.Usage, []string{"expected one of refused, audit"}, "--root", string(root), "events", "--decision", "denied")
	want(t, exitcode.Usage, []string{"absolute"}, "--root", string(root), "events", "--path", "etc")
	want(t, exitcode.Usage, []string{"number"}, "--root", string(root), "events", "--uid", "root")
	want(t, exitcode.Usage, []string{"exclude each other"}, "--root", string(root), "--json", "events", "--journald")
	if _, err := parseSince("10m", time.Now()); err != nil {
		t.Error(err)
	}
}

func lineCount(s string) (n int) {
	for _, c := range s {
		if c == '\n' {
			n++
		}
	}
	return n
}
