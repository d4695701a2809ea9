package apache

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/vishvananda/netns"

	"klw/internal/audit"
)

// Apache under its policy logs and answers what it does under runc.
func TestApacheLogsWhatItLogsUnderRunc(t *testing.T) {
	t.Parallel()
	guarded, plain := newBox(t), newBox(t)
	klw := guarded.work(guarded.command("klw-runc", "run", guarded.bundle), guarded.pid)
	root := filepath.Join(t.TempDir(), "runc")
	t.Cleanup(func() {
		if out, err := exec.Command("runc", "--root", root, "delete", "-f", plain.id).CombinedOutput(); err != nil {
			t.Errorf("runc delete: %v: %s", err, out)
		}
	})
	pidFile := filepath.Join(t.TempDir(), "pid")
	runc := plain.work(exec.Command("runc", "--root", root, "run", "--bundle", plain.bundle, "--pid-file", pidFile, plain.id), func() int {
		text, _ := os.ReadFile(pidFile)
		pid, _ := strconv.Atoi(string(text))
		return pid
	})
	for i, what := range []string{"answers", "error.log", "access.log", "other_vhosts_access.log", "standard output and error"} {
		if d := diff(runc[i], klw[i]); d != "" {
			t.Errorf("%s differ (- under runc, + under klw):\n%s", what, d)
		}
	}
	for _, want := range []string{"AH00489", "AH00493", "AH00491", "AH01630", "AH00132", "AH00094"} { // it was no idle run
		if !strings.Contains(runc[1], want) {
			t.Errorf("no %s in error.log:\n%s", want, runc[1])
		}
	}
	for _, e := range guarded.events() {
		if e.Decision == audit.Refused {
			t.Errorf("refused: %s %s%s by %s (%s) to %s", e.Operation, e.Path, e.Address, e.Module, e.Rule, e.Comm)
		}
	}
}

// work starts a container, lets Apache do all kinds of things, and gives what it answered and logged.
func (b *box) work(cmd *exec.Cmd, pid func() int) (result [5]string) {
	b.Helper()
	b.must(os.MkdirAll(b.path("site/list"), 0o755))
	b.write("site/list/a.txt", "a")
	b.write("site/list/b.txt", strings.Repeat("b", 300<<10))
	b.write("site/refused.html", "x")
	b.must(os.Chmod(b.path("site/refused.html"), 0o600))
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) // of young files Apache says so (weak ETag)
	for _, name := range []string{"list/a.txt", "list/b.txt", "list", "index.html"} {
		b.must(os.Chtimes(b.path("site/"+name), old, old))
	}
	r := b.launch(cmd)
	c := &client{box: b}
	b.eventually("there is a process", func() bool {
		select {
		case <-r.done:
			b.Fatalf("%v: %v: %s", cmd.Args, cmd.ProcessState, r.said())
		default:
		}
		c.pid = pid()
		return c.pid > 0
	})
	b.eventually("Apache serves", func() bool { return c.ask("GET", "/") != "" })
	for _, path := range []string{"/", "/index.html", "/nothing", "/list/", "/list/?C=S;O=A", "/list/b.txt", "/list", "/.htaccess", "/refused.html", "/icons/", "/icons/text.gif", "/cgi-bin/x", "/%2e%2e/etc/passwd", "/nothing/x.html"} {
		result[0] += c.ask("GET", path) + "\n"
	}
	result[0] += c.ask("POST", "/") + c.ask("HEAD", "/list/b.txt") + c.ask("OPTIONS", "/") + "\n"

	b.must(syscall.Kill(c.pid, syscall.SIGUSR1))
	b.eventually("a graceful restart", func() bool { return b.resumed() == 2 })
	result[0] += c.ask("GET", "/list/a.txt") + "\n"

	b.write("rootfs/etc/apache2/conf-enabled/klw-test.conf", "DirectoryIndex list/a.txt\nServerTokens Prod\nAlias /moved /var/www/html/list\n")
	time.Sleep(1100 * time.Millisecond) // what the host changes shows within a second (package view)
	b.must(syscall.Kill(c.pid, syscall.SIGUSR1))
	b.eventually("a restart with another configuration", func() bool { return b.resumed() == 3 })
	b.eventually("the new configuration", func() bool { return strings.HasPrefix(c.ask("HEAD", "/moved/a.txt"), "HEAD /moved/a.txt: 200") })
	result[0] += c.ask("GET", "/") + c.ask("GET", "/moved/") + "\n"
	b.must(syscall.Kill(c.pid, syscall.SIGHUP))
	b.eventually("a restart", func() bool { return b.resumed() == 4 })
	b.eventually("it serves again", func() bool { return c.ask("GET", "/") != "" })

	if code := r.stop(syscall.SIGTERM); code != 0 {
		b.Errorf("%v: exit code %d: %s", cmd.Args, code, r.said())
	}
	for i, name := range []string{"error.log", "access.log", "other_vhosts_access.log"} {
		result[i+1] = normal(waiting.ReplaceAllString(b.read("rootfs/var/log/apache2/"+name), ""))
	}
	result[4] = normal(r.said())
	return result
}

// waiting is what the access log has of waiting for a configuration: as many lines as it took.
var waiting = regexp.MustCompile(`(?m)^.*"HEAD /moved/a\.txt .*\n`)

// pid is the container's first process, 0 as long as there is none.
func (b *box) pid() int {
	var s specs.State
	_ = json.Unmarshal([]byte(b.klw("state", b.id).out), &s)
	return s.Pid
}

// resumed counts how often Apache said that it is at work.
func (b *box) resumed() int {
	return strings.Count(b.read("rootfs/var/log/apache2/error.log"), "resuming normal operations")
}

// client asks from inside of a container's network namespace: the way is the same under every runtime.
type client struct {
	*box
	pid int
}

// ask gives an answer's code, headers and body; "" if nobody answers.
func (c *client) ask(method, path string) string {
	c.Helper()
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		text, err := c.askHere(method, path)
		done <- answer{text, err}
	}()
	a := <-done
	if a.err != nil {
		return ""
	}
	return a.text
}

func (c *client) askHere(method, path string) (string, error) {
	ns, err := netns.GetFromPath(fmt.Sprintf("/proc/%d/ns/net", c.pid))
	if err != nil {
		return "", err
	}
	defer ns.Close()
	if err := netns.Set(ns); err != nil {
		return "", err
	}
	conn, err := net.DialTimeout("tcp4", "127.0.0.1:80", 5*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: test\r\n\r\n", method, path)
	r, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	text := string(body)
	if len(text) > 4096 {
		text = fmt.Sprintf("%d bytes", len(text))
	}
	return fmt.Sprintf("%s %s: %d %s %s %s\n%s", method, path, r.StatusCode, r.Header.Get("Server"), r.Header.Get("Content-Type"),
		r.Header.Get("Location"), normal(text)), nil
}

// what differs from run to run, and in listings.
var passing = []*regexp.Regexp{
	regexp.MustCompile(`\d\d/[A-Z][a-z]{2}/\d{4}:[0-9:]+ [+-]\d{4}`),
	regexp.MustCompile(`[A-Z][a-z]{2} [A-Z][a-z]{2} \d+ [0-9:.]+ \d{4}`),
	regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d`),
	regexp.MustCompile(`(pid|tid) \d+`),
	regexp.MustCompile(`127\.0\.0\.1:\d+`),
}

func normal(text string) string {
	for _, p := range passing {
		text = p.ReplaceAllString(text, "*")
	}
	return text
}

// diff gives the lines that only one of two texts has. Processes write side by side: their order means nothing.
func diff(old, new string) (out string) {
	a, b := lines(old), lines(new)
	for _, l := range a {
		if !slices.Contains(b, l) {
			out += "- " + l + "\n"
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			out += "+ " + l + "\n"
		}
	}
	if out == "" && len(a) != len(b) {
		out = fmt.Sprintf("%d and %d lines:\n%s\n%s", len(a), len(b), old, new)
	}
	return out
}

func lines(text string) []string {
	list := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(list)
	return list
}
