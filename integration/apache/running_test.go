package apache

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/audit"
	"klw/internal/control"
)

// running is a "klw-runc run" in the foreground.
type running struct {
	*box
	cmd            *exec.Cmd
	stdout, stderr *os.File
	done           chan struct{}
}

// run starts "klw-runc run BUNDLE" and waits until Apache serves.
func (b *box) run() *running {
	b.Helper()
	r := b.launch(b.command("klw-runc", "run", b.bundle))
	b.eventually("Apache serves", func() bool {
		select {
		case <-r.done:
			b.Fatalf("klw-runc run ended: %v: %s", r.cmd.ProcessState, r.said())
		default:
		}
		code, _ := b.get("/")
		return code == 200
	})
	b.remember()
	return r
}

func (b *box) launch(cmd *exec.Cmd) *running {
	b.Helper()
	r := &running{box: b, cmd: cmd, done: make(chan struct{})}
	var err error
	r.stdout, err = os.CreateTemp(b.TempDir(), "out")
	b.must(err)
	r.stderr, err = os.CreateTemp(b.TempDir(), "err")
	b.must(err)
	cmd.Stdout, cmd.Stderr = r.stdout, r.stderr
	b.must(cmd.Start())
	go func() {
		defer close(r.done)
		cmd.Wait()
		r.stdout.Close()
		r.stderr.Close()
	}()
	b.Cleanup(func() {
		cmd.Process.Kill()
		<-r.done
	})
	return r
}

// said is what klw-runc and Apache wrote to standard output and standard error.
func (r *running) said() string {
	r.Helper()
	out, err := os.ReadFile(r.stdout.Name())
	r.must(err)
	errOut, err := os.ReadFile(r.stderr.Name())
	r.must(err)
	return string(out) + string(errOut)
}

// stop sends a signal to klw-runc and gives its exit code.
func (r *running) stop(sig syscall.Signal) int {
	r.Helper()
	r.must(r.cmd.Process.Signal(sig))
	return r.wait()
}

func (r *running) wait() int {
	r.Helper()
	select {
	case <-r.done:
	case <-time.After(30 * time.Second):
		r.Fatal("klw-runc run hasn't ended after 30 s")
	}
	return r.cmd.ProcessState.ExitCode()
}

// get asks for a page on the published port; 0 if nobody answers.
func (b *box) get(path string) (code int, body string) {
	b.Helper()
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get("http://" + b.address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, err.Error()
	}
	return r.StatusCode, string(text)
}

func (b *box) serves(path, text string) {
	b.Helper()
	if code, body := b.get(path); code != 200 || !strings.Contains(body, text) {
		b.Errorf("GET %s: %d %s, want 200 and %q", path, code, body, text)
	}
}

// soonServes is serves for what the host has just changed: it shows within a second (package view).
func (b *box) soonServes(path, text string) {
	b.Helper()
	for end := time.Now().Add(1100 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, body := b.get(path); body == text {
			return
		}
	}
	b.serves(path, text)
}

// exec runs a script in the container, as root.
func (b *box) exec(script string) result {
	b.Helper()
	return b.klw("exec", b.id, "/bin/bash", "-c", script)
}

func (b *box) state() (s specs.State) {
	b.Helper()
	b.must(json.Unmarshal([]byte(b.ok(b.klw("state", b.id))), &s))
	return s
}

// status asks the guard.
func (b *box) status() *control.Status {
	b.Helper()
	var s struct{ Guard *control.Status }
	b.must(json.Unmarshal([]byte(b.ok(b.ctl("--json", "status", b.id))), &s))
	if s.Guard == nil {
		b.Fatal("no guard answers")
	}
	return s.Guard
}

// events reads all events of the container through klwctl.
func (b *box) events() (list []audit.Event) {
	b.Helper()
	dec := json.NewDecoder(bytes.NewReader([]byte(b.ok(b.ctl("--json", "events", "--container", b.id)))))
	for dec.More() {
		var e audit.Event
		b.must(dec.Decode(&e))
		list = append(list, e)
	}
	return list
}

// event finds the first event of a kind.
func (b *box) event(is func(audit.Event) bool) *audit.Event {
	b.Helper()
	for _, e := range b.events() {
		if is(e) {
			return &e
		}
	}
	return nil
}
