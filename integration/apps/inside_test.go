package apps

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/vishvananda/netns"
)

// dial connects from inside of the container's network namespace: the way is the same under every runtime.
func (b *box) dial(address string) (net.Conn, error) {
	type answer struct {
		conn net.Conn
		err  error
	}
	done := make(chan answer)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		conn, err := b.dialHere(address)
		done <- answer{conn, err}
	}()
	a := <-done
	return a.conn, a.err
}

func (b *box) dialHere(address string) (net.Conn, error) {
	ns, err := netns.GetFromPath("/proc/" + b.pid() + "/ns/net")
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	if err := netns.Set(ns); err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp4", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(20 * time.Second))
}

// listens waits until somebody takes connections.
func (b *box) listens(address string) {
	b.Helper()
	b.eventually(address+" is listened on", func() bool {
		conn, err := b.dial(address)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// ask makes an HTTP request and gives status and body.
func (b *box) ask(method, path, body string) (status, text string) {
	b.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return b.dial("127.0.0.1:80")
	}}}
	request, err := http.NewRequest(method, "http://localhost/", strings.NewReader(body))
	b.must(err)
	request.URL.Opaque = path // as it is: no ".." goes away
	r, err := c.Do(request)
	b.must(err)
	defer r.Body.Close()
	all, err := io.ReadAll(r.Body)
	b.must(err)
	return r.Status, string(all)
}

// talk is a conversation by lines, as SMTP and IMAP are.
type talk struct {
	*box
	conn net.Conn
	in   *bufio.Reader
}

func (b *box) talk(address string) *talk {
	b.Helper()
	conn, err := b.dial(address)
	b.must(err)
	b.Cleanup(func() { conn.Close() })
	return &talk{b, conn, bufio.NewReader(conn)}
}

// say sends a line ("" sends nothing) and gives what comes until a line begins with end.
func (t *talk) say(line, end string) (answer string) {
	t.Helper()
	if line != "" {
		_, err := io.WriteString(t.conn, line+"\r\n")
		t.must(err)
	}
	for {
		l, err := t.in.ReadString('\n')
		if err != nil {
			t.Fatalf("%q: %v after %q", line, err, answer)
		}
		answer += l
		if strings.HasPrefix(l, end) {
			return answer
		}
	}
}
