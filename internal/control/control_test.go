package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"klw/internal/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, path string) *Server {
	t.Helper()
	s, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	Handle(s, "echo", func(_ context.Context, n Name) (Name, error) { return n, nil })
	Handle(s, "fail", func(context.Context, struct{}) (any, error) { return nil, Errorf(CodeConflict, "no way") })
	HandleLarge(s, "large", 3<<20, func(ctx context.Context, n Name) (Name, error) {
		return Name{fmt.Sprint(len(n.Name), " of ", CallerOf(ctx) == Caller{uint32(os.Getpid()), 0})}, nil
	})
	HandleStream(s, "count", func(ctx context.Context, n Name, send func(any) error) error {
		for i := range len(n.Name) {
			if err := send(i); err != nil {
				return err
			}
		}
		return nil
	})
	HandleStream(s, "wait", func(ctx context.Context, _ struct{}, send func(any) error) error {
		send("waiting")
		<-ctx.Done()
		return ctx.Err()
	})
	go s.Serve()
	t.Cleanup(func() { s.Close() })
	return s
}

func client(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestCallsAndErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, path)
	c := client(t, path)
	var n Name
	if err := c.Call(t.Context(), "echo", Name{"x"}, &n); err != nil || n.Name != "x" {
		t.Fatalf("%v %v", n, err)
	}
	var coded *Error
	if err := c.Call(t.Context(), "fail", nil, nil); !errors.As(err, &coded) || coded.Code != CodeConflict || coded.Msg != "no way" {
		t.Fatalf("%v", err)
	}
	if err := c.Call(t.Context(), "nothing", nil, nil); !errors.As(err, &coded) || coded.Code != CodeRequest {
		t.Fatalf("unknown method: %v", err)
	}
	if err := c.Call(t.Context(), "echo", map[string]string{"naem": "x"}, &n); !errors.As(err, &coded) || coded.Code != CodeRequest {
		t.Fatalf("unknown parameter: %v", err)
	}
	if err := c.Call(t.Context(), "echo", Name{"again"}, &n); err != nil || n.Name != "again" {
		t.Fatalf("after errors: %v %v", n, err)
	}
}

func TestBodies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, path)
	c := client(t, path)
	var n Name
	for range 2 {
		if err := c.CallLarge(t.Context(), "large", Name{strings.Repeat("\n", 3<<19-20)}, &n); err != nil || n.Name != "1572844 of true" {
			t.Fatalf("%v %v", n, err)
		}
		if err := c.Call(t.Context(), "echo", Name{"between"}, &n); err != nil || n.Name != "between" {
			t.Fatalf("%v %v", n, err)
		}
	}
	for want, call := range map[string]func(*Client) error{
		"takes no body":         func(c *Client) error { return c.CallLarge(t.Context(), "echo", Name{"x"}, nil) },
		"takes at most 3145728": func(c *Client) error { return c.CallLarge(t.Context(), "large", Name{strings.Repeat("x", 3<<20)}, nil) },
		"unknown field":         func(c *Client) error { return c.CallLarge(t.Context(), "large", map[string]int{"x": 1}, nil) },
		"unknown method":        func(c *Client) error { return c.CallLarge(t.Context(), "larger", Name{}, nil) },
		"body of -1 bytes":      func(c *Client) error { return c.raw(Request{Version: Version, Method: "large", Body: -1}) },
		"not both": func(c *Client) error {
			return c.raw(Request{Version: Version, Method: "large", Body: 9, Params: []byte("{}")})
		},
		"speaks 1": func(c *Client) error { return c.raw(Request{Version: 7, Method: "large", Body: 9}) },
	} {
		err := call(client(t, path))
		var coded *Error
		if !errors.As(err, &coded) || coded.Code != CodeRequest || !strings.Contains(coded.Msg, want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	// Who announces a body and doesn't send it keeps no one waiting longer than it is connected.
	slow := client(t, path)
	if err := slow.send(Request{Version: Version, Method: "large", Body: 1 << 20}, []byte("{")); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { slow.Close() })
	if err := c.CallLarge(t.Context(), "large", Name{"x"}, &n); err != nil || n.Name != "1 of true" {
		t.Fatalf("%v %v", n, err)
	}
}

// raw sends a request as it is and gives the error of the answer.
func (c *Client) raw(r Request) error {
	if err := c.send(r, nil); err != nil {
		return err
	}
	_, err := c.response()
	return err
}

func TestStreams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := serve(t, path)
	var got []string
	err := client(t, path).Stream(t.Context(), "count", Name{"abc"}, func(r json.RawMessage) error {
		got = append(got, string(r))
		return nil
	})
	if err != nil || strings.Join(got, " ") != "0 1 2" {
		t.Fatalf("%v %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = client(t, path).Stream(ctx, "wait", nil, func(json.RawMessage) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled by the client: %v", err)
	}
	// A stream that waits ends when the server does, in good order.
	ended := make(chan error, 1)
	waiting := make(chan struct{})
	c := client(t, path)
	go func() {
		ended <- c.Stream(t.Context(), "wait", nil, func(json.RawMessage) error { close(waiting); return nil })
	}()
	<-waiting
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatalf("ended by the server: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestClientThatGoesAwayEndsItsStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := serve(t, path)
	c := client(t, path)
	c.request("wait", nil)
	if _, err := c.response(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	deadline := time.Now().Add(5 * time.Second)
	for {
		s.mu.Lock()
		n := len(s.conns)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the handler still runs")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestBadRequestsAreAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, path)
	for _, tc := range []struct{ line, want string }{
		{`{"version":2,"method":"echo"}`, "protocol version 2, this server speaks 1"},
		{`{"method":"echo"}`, "protocol version 0"},
		{`not json`, "isn't one JSON object"},
		{`{"version":1,"method":"echo"} {"version":1}`, "something follows"},
		{`{"version":1,"method":"echo","extra":1}`, "unknown field"},
		{`{"version":1,"method":"echo","params":[1]}`, "parameters"},
		{``, "isn't one JSON object"},
		{strings.Repeat("x", MaxRequest+1), "request of more than"},
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(tc.line + "\n"))
		answer, _ := bufio.NewReader(conn).ReadString('\n')
		conn.Close()
		if !strings.Contains(answer, tc.want) || !strings.Contains(answer, `"code":"request"`) {
			t.Errorf("%.40s: answered %q, want %q", tc.line, answer, tc.want)
		}
	}
}

func TestOnlyRootIsAnswered(t *testing.T) {
	dir := t.TempDir()
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
	path := filepath.Join(dir, "s")
	serve(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	if out := askAs(t, path, 12345); !strings.Contains(out, "permission denied") {
		t.Errorf("the socket's mode lets uid 12345 in: %s", out)
	}
	os.Chmod(path, 0o777)
	if out := askAs(t, path, 12345); !strings.Contains(out, "uid 12345 may not use") {
		t.Errorf("uid 12345 was answered: %s", out)
	}
	if out := askAs(t, path, 0); !strings.Contains(out, "result") {
		t.Errorf("uid 0 wasn't: %s", out)
	}
}

// askAs runs this test's binary as another user.
func askAs(t *testing.T, path string, uid uint32) string {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	cmd := exec.Command("/proc/self/fd/3", "-test.run=^TestAskHelper$", "-test.v")
	cmd.ExtraFiles = []*os.File{self}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "KLW_TEST_ASK="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestAskHelper is what askAs runs; by itself it checks that nobody listens where there is nothing.
func TestAskHelper(t *testing.T) {
	path := os.Getenv("KLW_TEST_ASK")
	if path == "" {
		if _, err := Dial(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNotRunning) {
			t.Fatal(err)
		}
		return
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Log(err)
		return
	}
	defer conn.Close()
	conn.Write([]byte(`{"version":1,"method":"echo"}` + "\n"))
	answer, _ := bufio.NewReader(conn).ReadString('\n')
	t.Log(answer)
}

func TestSocketsAreReplacedOnlyWhenDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, path)
	if s, err := Listen(path); err == nil {
		s.Close()
		t.Fatal("took the socket of a living server")
	}
	dead := filepath.Join(t.TempDir(), "dead")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	serve(t, dead)
	if err := client(t, dead).Call(t.Context(), "echo", Name{"x"}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestLongPaths(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100), strings.Repeat("e", 100))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "control.sock")
	s := serve(t, path)
	if err := client(t, path).Call(t.Context(), "echo", Name{"x"}, nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left")
	}
}

func TestTooManyConnectionsAreClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, path)
	for range MaxConns {
		if err := client(t, path).Call(t.Context(), "echo", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := client(t, path).Call(t.Context(), "echo", nil, nil); err == nil {
		t.Fatal("one more than the limit was served")
	}
}

// FuzzBody sends a server whatever comes behind a request: it answers each line or ends, and serves the next client.
func FuzzBody(f *testing.F) {
	f.Add(7, []byte(`{"name":"x"}`))
	f.Add(12, []byte("{\"name\":\"x\"}{\"version\":1,\"method\":\"echo\"}\n"))
	f.Add(-1, []byte("\n"))
	path := filepath.Join(f.TempDir(), "s")
	s, err := Listen(path)
	if err != nil {
		f.Fatal(err)
	}
	HandleLarge(s, "large", 1<<10, func(_ context.Context, n Name) (Name, error) { return n, nil })
	go s.Serve()
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, size int, body []byte) {
		c := client(t, path)
		if err := c.send(Request{Version: Version, Method: "large", Body: size}, body); err != nil {
			return
		}
		c.conn.CloseWrite()
		for {
			if _, err := c.response(); err != nil && !errors.As(err, new(*Error)) {
				break
			}
		}
		var n Name
		if err := client(t, path).CallLarge(t.Context(), "large", Name{"next"}, &n); err != nil || n.Name != "next" {
			t.Fatal(err, n)
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"version":1,"method":"status"}`))
	f.Add([]byte(`{"version":1,"method":"module.load","params":{"name":"audit"}}`))
	f.Add([]byte(`{"version":1,"method":"policy.explain","params":{"kind":"file","path":"/","perm":"read"}}`))
	f.Add([]byte(`{"version":1,"method":"policy.load","body":7,"params":{"file":"a","text":"x","included":{"b":"y"}}}`))
	f.Add([]byte(`{"version":1,"method":"events","params":{"since":"2026-01-01T00:00:00Z","follow":true}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRequest(line)
		if err != nil {
			var coded *Error
			if !errors.As(err, &coded) || coded.Code != CodeRequest {
				t.Fatalf("an error without its kind: %v", err)
			}
			return
		}
		if r.Version != Version {
			t.Fatal("a request of another version passed")
		}
		decode[Name](r.Params)
		decode[Question](r.Params)
		decode[EventsQuery](r.Params)
		decode[policy.Texts](r.Params)
	})
}
