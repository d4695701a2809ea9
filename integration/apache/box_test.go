package apache

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var boxes atomic.Int32

// box is a bundle of one test, with a state root and a published port of its own.
type box struct {
	*testing.T
	id, bundle, root string
	bin              string
	address          string // host and port that the page is published on
	seen             seen
}

// newBox copies the bundle. When the test ends the container is deleted, and nothing may be left of it.
func newBox(t *testing.T) *box {
	t.Helper()
	dir := t.TempDir()
	id := fmt.Sprintf("klwapache-%d-%d", os.Getpid(), boxes.Add(1))
	b := &box{T: t, id: id, bundle: filepath.Join(dir, id), root: filepath.Join(dir, "root"), bin: binaries}
	b.must(shell(`cp -a --reflink=auto "$1" "$2"`, template, b.bundle))
	b.address = freeAddress(t)
	b.editPolicy("127.0.0.1:8080", b.address)
	t.Cleanup(func() {
		b.delete()
		b.nothingLeft()
		b.eventsAreValid()
	})
	return b
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (b *box) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// path gives a file of the bundle.
func (b *box) path(name string) string { return filepath.Join(b.bundle, name) }

func (b *box) read(name string) string {
	b.Helper()
	text, err := os.ReadFile(b.path(name))
	b.must(err)
	return string(text)
}

func (b *box) write(name, text string) {
	b.Helper()
	b.must(os.WriteFile(b.path(name), []byte(text), 0o644))
}

// editPolicy replaces text that must be in the policy.
func (b *box) editPolicy(old, new string) {
	b.Helper()
	text := b.read("klw.policy")
	if !strings.Contains(text, old) {
		b.Fatalf("the policy has no %q", old)
	}
	b.write("klw.policy", strings.ReplaceAll(text, old, new))
}

// editConfig changes config.json.
func (b *box) editConfig(change func(*specs.Spec)) {
	b.Helper()
	spec := new(specs.Spec)
	b.must(json.Unmarshal([]byte(b.read("config.json")), spec))
	change(spec)
	text, err := json.Marshal(spec)
	b.must(err)
	b.write("config.json", string(text))
}

// result is how a program ended.
type result struct {
	code        int
	out, errOut string
}

func (b *box) klw(args ...string) result { b.Helper(); return b.finish(b.command("klw-runc", args...)) }
func (b *box) ctl(args ...string) result { b.Helper(); return b.finish(b.command("klwctl", args...)) }

func (b *box) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(b.bin, program), append([]string{"--root", b.root}, args...)...)
	cmd.Dir = filepath.Dir(b.bundle)
	return cmd
}

// finish runs a command with files for its output, which a detached container may keep, and without a hang.
func (b *box) finish(cmd *exec.Cmd) result {
	b.Helper()
	out, err := os.CreateTemp(filepath.Dir(b.bundle), "out")
	b.must(err)
	defer out.Close()
	errOut, err := os.CreateTemp(filepath.Dir(b.bundle), "err")
	b.must(err)
	defer errOut.Close()
	cmd.Stdout, cmd.Stderr = out, errOut
	b.must(cmd.Start())
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	b.must(err)
	complaints, err := os.ReadFile(errOut.Name())
	b.must(err)
	return result{cmd.ProcessState.ExitCode(), string(text), string(complaints)}
}

// ok checks that a command succeeded, and gives what it printed.
func (b *box) ok(r result) string {
	b.Helper()
	if r.code != 0 {
		b.Fatalf("exit code %d: %s%s", r.code, r.out, r.errOut)
	}
	return r.out
}

// refused checks that a command failed with a code and one line that holds each of texts, and left nothing.
func (b *box) refused(r result, code int, texts ...string) {
	b.Helper()
	b.complains(r, code, 1, texts...)
}

// complains is refused for messages of so many lines.
func (b *box) complains(r result, code, lines int, texts ...string) {
	b.Helper()
	if r.code != code || strings.Count(r.errOut, "\n") != lines {
		b.Errorf("exit code %d, want %d and a message of %d lines, got:\n%s", r.code, code, lines, r.errOut)
	}
	for _, text := range texts {
		if !strings.Contains(r.errOut, text) {
			b.Errorf("want a message with %q, got:\n%s", text, r.errOut)
		}
	}
	b.nothingLeft()
}

func (b *box) delete() {
	b.Helper()
	if r := b.klw("delete", "-f", b.id); r.code != 0 || r.errOut != "" {
		b.Errorf("delete -f: exit code %d: %s", r.code, r.errOut)
	}
}

// eventually waits for something that comes soon by itself.
func (b *box) eventually(what string, is func() bool) {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("after 30 s still not: %s", what)
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}
