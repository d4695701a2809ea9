package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/guard/guardtest"
	"klw/internal/policy"
)

func TestControlChannel(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	ctx := t.Context()
	c := f.Client()
	var s control.Status
	if err := c.Call(ctx, control.MethodStatus, nil, &s); err != nil {
		t.Fatal(err)
	}
	if s.State != "enforcing" || s.PID != f.Cmd.Process.Pid || len(s.Views) != 1 || !s.Views[0].Alive || len(s.NotEnforced) != 0 {
		t.Errorf("status %+v", s)
	}
	var text policy.Texts
	if err := c.Call(ctx, control.MethodPolicyShow, nil, &text); err != nil || text.Text != guardtest.Policy {
		t.Errorf("policy.show: %v %+v", err, text)
	}
	var a control.Answer
	q := control.Question{Kind: "file", User: "www", Path: "/secret/key", Perm: "read"}
	if err := c.Call(ctx, control.MethodPolicyExplain, q, &a); err != nil || a.Allowed || a.Rule != "klw.policy:5" {
		t.Errorf("policy.explain: %v %+v", err, a)
	}
	q = control.Question{Kind: "socket", Protocol: "tcp", Action: "connect", Address: "127.0.0.1:1"}
	if err := c.Call(ctx, control.MethodPolicyExplain, q, &a); err != nil || !a.Allowed || a.Rule != "klw.policy:7" {
		t.Errorf("policy.explain: %v %+v", err, a)
	}
	q = control.Question{Kind: "process", Action: "setuid", User: "www", To: "root"}
	if err := c.Call(ctx, control.MethodPolicyExplain, q, &a); err != nil || a.Allowed || a.Rule != "seal" {
		t.Errorf("policy.explain: %v %+v", err, a)
	}
	var l control.Level
	if err := c.Call(ctx, control.MethodLogLevel, control.Level{Level: "debug"}, &l); err != nil || l.Level != "debug" {
		t.Errorf("log.level: %v %+v", err, l)
	}
	var coded *control.Error
	if err := c.Call(ctx, control.MethodLogLevel, control.Level{Level: "loud"}, &l); !errors.As(err, &coded) || coded.Code != control.CodeRequest {
		t.Errorf("log.level loud: %v", err)
	}
	for _, tc := range []struct {
		method, name string
		code         control.Code
	}{
		{control.MethodModuleLoad, "files", control.CodeConflict},
		{control.MethodModuleUnload, "audit", control.CodeConflict},
		{control.MethodModuleUnload, "seal", control.CodeConflict},
		{control.MethodModuleLoad, "nothing", control.CodeNotFound},
	} {
		if err := c.Call(ctx, tc.method, control.Name{Name: tc.name}, nil); !errors.As(err, &coded) || coded.Code != tc.code {
			t.Errorf("%s %s: %v", tc.method, tc.name, err)
		}
	}
}

func TestModulesAreLoadedAndUnloaded(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	ctx, c := t.Context(), f.Client()
	call := func(method, name string) {
		t.Helper()
		if err := c.Call(ctx, method, control.Name{Name: name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	call(control.MethodModuleLoad, "audit")
	f.App.Do("read", "/open.txt")
	guardtest.Retry(t, func() error {
		for _, e := range f.Events() {
			if e.Decision == audit.Audit && e.Operation == "open" && e.Path == "/open.txt" && e.Errno == "" {
				return nil
			}
		}
		return errors.New("the read wasn't recorded")
	})
	call(control.MethodModuleUnload, "audit")
	for _, name := range []string{"files", "sockets"} {
		call(control.MethodModuleUnload, name)
	}
	if got := f.App.Do("read", "/secret/key"); got != "s3cret" {
		t.Errorf("without the file rules: %s", got)
	}
	if got := f.App.Do("connect", "127.0.0.1:2"); got != "ECONNREFUSED" {
		t.Errorf("without the socket rules: %s", got)
	}
	var s control.Status
	if err := c.Call(ctx, control.MethodStatus, nil, &s); err != nil || len(s.NotEnforced) != 2 {
		t.Errorf("status: %v, not enforced: %q", err, s.NotEnforced)
	}
	for _, name := range []string{"files", "sockets"} {
		call(control.MethodModuleLoad, name)
	}
	if got := f.App.Do("read", "/secret/key"); got != "EACCES" {
		t.Errorf("with the file rules again: %s", got)
	}
	if got := f.App.Do("connect", "127.0.0.1:2"); got != "EPERM" {
		t.Errorf("with the socket rules again: %s", got)
	}
	f.App.End()
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
	var notices []string
	for _, e := range f.Events() {
		if e.Decision == audit.Notice {
			notices = append(notices, e.Operation+" "+e.Module)
		}
	}
	want := "start guard, load audit, unload audit, unload files, unload sockets, load files, load sockets, stop guard"
	if got := strings.Join(notices, ", "); got != want {
		t.Errorf("notices: %s", got)
	}
}

func TestEventsAreStreamed(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	c := f.Client()
	got := make(chan audit.Event, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- c.Stream(context.Background(), control.MethodEvents, control.EventsQuery{Follow: true}, func(raw json.RawMessage) error {
			var e audit.Event
			err := json.Unmarshal(raw, &e)
			got <- e
			return err
		})
	}()
	f.App.Do("read", "/secret/key")
	f.App.End()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	close(got)
	var ops []string
	for e := range got {
		ops = append(ops, e.Operation)
	}
	if strings.Join(ops, " ") != "start open stop" {
		t.Errorf("streamed: %v", ops)
	}
	if err := f.Wait(); err != nil {
		t.Fatal(err)
	}
}

// What is loaded and unloaded, asked and streamed again and again leaves no descriptor in the guard.
func TestNoDescriptorIsLeaked(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	f.Run()
	descriptors := func() int {
		t.Helper()
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", f.Cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	round := func() {
		c, err := control.Dial(t.Context(), f.Root.Container(f.ID).Control())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, method := range []string{control.MethodModuleUnload, control.MethodModuleLoad} {
			for _, name := range []string{"files", "sockets"} {
				if err := c.Call(t.Context(), method, control.Name{Name: name}, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		f.App.Do("read", "/secret/key")
		f.App.Do("connect", "127.0.0.1:2")
		ctx, cancel := context.WithCancel(t.Context())
		c.Stream(ctx, control.MethodEvents, control.EventsQuery{Follow: true}, func(json.RawMessage) error { cancel(); return nil })
		cancel()
	}
	round()
	before := descriptors()
	for range 10 {
		round()
	}
	guardtest.Retry(t, func() error {
		if now := descriptors(); now > before {
			return fmt.Errorf("%d descriptors after the first round, %d after ten more", before, now)
		}
		return nil
	})
}
