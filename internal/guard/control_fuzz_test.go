package guard_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"klw/internal/control"
	"klw/internal/guard/guardtest"
	"klw/internal/policy"
)

// FuzzControl asks the guard of a running container whatever comes, by every method it has: each request is answered
// or its connection closed, the guard goes on, and only a request that was answered without an error, of a method that
// changes something, has changed anything.
func FuzzControl(f *testing.F) {
	c := guardtest.New(f, guardtest.Policy)
	c.Run()
	seedControl(f)
	f.Fuzz(func(t *testing.T, form uint8, a, b, x string) {
		before := inForce(t, c)
		method, ok := talk(t, c, forms[int(form)%len(forms)](c, a, b, x))
		if after := inForce(t, c); after != before && (!ok || !slices.Contains(changes, method)) {
			t.Errorf("method %q, answered well: %v, changed\n%s\nto\n%s", method, ok, before, after)
		}
	})
}

// changes are the methods that may change what is in force.
var changes = []string{control.MethodModuleLoad, control.MethodModuleUnload, control.MethodPolicyLoad,
	control.MethodPolicyClear, control.MethodPolicyLearn, control.MethodLogLevel}

// forms are the ways in which a request is made of three texts.
var forms = []func(c *guardtest.Container, a, b, x string) []byte{
	func(_ *guardtest.Container, a, b, _ string) []byte { return []byte(oneLine(a) + "\n" + oneLine(b)) }, // half a second one
	func(_ *guardtest.Container, a, b, _ string) []byte { return raw(a, b) },
	func(_ *guardtest.Container, a, b, x string) []byte { return bodied(a, b, len(b)+len(x)) },
	func(_ *guardtest.Container, a, _, _ string) []byte { return asking(a, nil) },
	func(_ *guardtest.Container, a, _, _ string) []byte {
		return asking(control.MethodModuleLoad, control.Name{Name: a})
	},
	func(_ *guardtest.Container, a, _, _ string) []byte {
		return asking(control.MethodModuleUnload, control.Name{Name: a})
	},
	func(_ *guardtest.Container, a, b, x string) []byte {
		return asking(control.MethodPolicyExplain, control.Question{Kind: "file", Path: a, Perm: b, User: x})
	},
	func(_ *guardtest.Container, a, b, x string) []byte {
		return asking(control.MethodPolicyExplain, control.Question{Kind: "socket", Protocol: a, Action: b, Address: x})
	},
	func(_ *guardtest.Container, a, b, x string) []byte {
		return asking(control.MethodPolicyExplain, control.Question{Kind: "process", Action: a, To: b, Call: x, Path: x, User: b})
	},
	func(_ *guardtest.Container, a, b, x string) []byte {
		return asking(control.MethodPolicyExplain, control.Question{Kind: a, Path: b, User: x})
	},
	func(_ *guardtest.Container, a, b, x string) []byte {
		q := control.Learn{Action: a}
		for _, name := range []string{b, x} {
			if name != "" {
				q.Modules = append(q.Modules, name)
			}
		}
		return asking(control.MethodPolicyLearn, q)
	},
	func(_ *guardtest.Container, a, _, _ string) []byte {
		return asking(control.MethodLogLevel, control.Level{Level: a})
	},
	func(_ *guardtest.Container, a, b, _ string) []byte {
		return asking(control.MethodEvents, map[string]any{"since": a, "follow": b == "follow"})
	},
	func(c *guardtest.Container, a, b, x string) []byte {
		texts := c.Texts(a)
		texts.Included = map[string]string{b: x}
		text, _ := json.Marshal(texts)
		return bodied(control.MethodPolicyLoad, string(text), len(text))
	},
	func(_ *guardtest.Container, a, b, x string) []byte {
		text, _ := json.Marshal(policy.Texts{File: a, Text: b + guardtest.Policy + x})
		return bodied(control.MethodPolicyLoad, string(text), len(text))
	},
}

// oneLine keeps a request one: behind the end of a line the next begins.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

func asking(method string, params any) []byte {
	text, _ := json.Marshal(params) // of these types it can't fail
	if params == nil {
		text = nil
	}
	return raw(method, string(text))
}

// raw puts parameters in as they are, whether they are JSON or not.
func raw(method, params string) []byte {
	name, _ := json.Marshal(method)
	if params != "" {
		params = `,"params":` + oneLine(params)
	}
	return fmt.Appendf(nil, `{"version":%d,"method":%s%s}`+"\n", control.Version, name, params)
}

func bodied(method, body string, size int) []byte {
	name, _ := json.Marshal(method)
	return fmt.Appendf(nil, `{"version":%d,"method":%s,"body":%d}`+"\n%s", control.Version, name, size, body)
}

// seedControl gives each form texts that mean something to it, in every place.
func seedControl(f *testing.F) {
	words := []string{"", "files", "files:low", "sockets", "audit", "seal", "circles", "nothing", "start", "stop", "show", "file", "socket",
		"process", "/secret/key", "/data/../secret", "relative", "/open.txt/below", "\x00", "read", "read write execute", "www", "4294967295", "-1", "tcp",
		"connect", "bind", "127.0.0.1:1", "[::1]:65536", "@name", "setuid", "syscall", "exec", "root", "mount", "debug", "loud", "follow",
		"2026-01-01T00:00:00Z", control.MethodStatus, control.MethodModuleList, control.MethodPolicyShow, control.MethodPolicyIdle,
		control.MethodPolicyClear, control.MethodEvents, control.MethodPolicyLoad, "low.policy", low, other, guardtest.Policy,
		strings.Replace(guardtest.Policy, "@general", "stack low\n@general", 1), "file /x read revocable\n", "@user www\nfile / none\n", "stack low\n",
		`{"name":"audit"}`, `{"name":["audit"]}`, `{"names":"audit"}`, `{"action":"start","modules":["files","files"]}`,
		`{"version":1,"method":"module.unload","params":{"name":"files"}}`, `{"version":1,"method":"policy.load","body":-5}`,
		`{"version":2,"method":"module.unload","params":{"name":"files"}}`, strings.Repeat("x", control.MaxRequest), strings.Repeat("[", 20000)}
	for _, w := range words {
		for form := range forms {
			f.Add(uint8(form), w, "", "")
		}
	}
	for _, good := range []struct {
		form    uint8
		a, b, x string
	}{
		{6, "/secret/key", "read", "www"}, {7, "tcp", "connect", "127.0.0.1:1"}, {8, "setuid", "root", ""}, {8, "syscall", "", "mount"},
		{10, "start", "files", "sockets"}, {10, "show", "", ""}, {10, "stop", "sockets", ""}, {10, "start", "files:low", ""},
		{11, "warn", "", ""}, {12, "2026-01-01T00:00:00Z", "follow", ""}, {13, other, "low.policy", low}, {14, "good", "", ""},
		{5, "files", "", ""}, {4, "files", "", ""}, {1, control.MethodLogLevel, `{"level":"info"}`, ""},
	} {
		f.Add(good.form, good.a, good.b, good.x)
	}
	g := rand.New(rand.NewPCG(1, 2))
	word := func() string { return words[g.IntN(len(words))] }
	for range 1000 {
		f.Add(uint8(g.IntN(len(forms))), word(), word(), word())
	}
}

var codes = []control.Code{control.CodeRequest, control.CodeNotFound, control.CodeConflict, control.CodePolicy, control.CodeFailed}

// talk sends a request and reads all that is answered. It gives the method as far as the request has one, and whether
// no answer was an error.
func talk(t *testing.T, c *guardtest.Container, request []byte) (method string, ok bool) {
	t.Helper()
	conn, err := net.Dial("unix", c.Root.Container(c.ID).Control())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write(request) // a server that has heard enough may have closed
	_ = conn.(*net.UnixConn).CloseWrite()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, _, _ := strings.Cut(string(request), "\n")
	var r control.Request
	_ = json.Unmarshal([]byte(line), &r)
	ok = true
	for in := bufio.NewReader(conn); ; {
		answer, err := in.ReadBytes('\n')
		if isTimeout(err) {
			t.Fatalf("neither answered nor closed: %.200q", request)
		}
		if err != nil {
			return r.Method, ok
		}
		var said control.Response
		if err := json.Unmarshal(answer, &said); err != nil {
			t.Fatalf("answered %.200q: %v", answer, err)
		}
		if said.Error != "" {
			ok = false
			if !slices.Contains(codes, said.Code) {
				t.Errorf("an error of kind %q: %s", said.Code, said.Error)
			}
		}
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// inForce describes what the guard holds its container to. It fails where the guard doesn't answer.
func inForce(t *testing.T, c *guardtest.Container) string {
	t.Helper()
	client, err := control.Dial(t.Context(), c.Root.Container(c.ID).Control())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var s control.Status
	var texts policy.Texts
	err = errors.Join(client.Call(t.Context(), control.MethodStatus, nil, &s), client.Call(t.Context(), control.MethodPolicyShow, nil, &texts))
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Modules {
		s.Modules[i].Calls, s.Modules[i].Refused = 0, 0
	}
	all, err := json.Marshal([]any{s.PID, s.State, s.Policy, s.LogLevel, s.Modules, s.Views, s.Warnings, s.NotEnforced, texts})
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}
