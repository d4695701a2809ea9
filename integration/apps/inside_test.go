package apps

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
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

// enter brings the thread into the container's network namespace.
func (b *box) enter() error {
	ns, err := netns.GetFromPath("/proc/" + b.pid() + "/ns/net")
	if err != nil {
		return err
	}
	defer ns.Close()
	return netns.Set(ns)
}

func (b *box) listenHere() (net.Listener, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	return net.Listen("tcp4", "127.0.0.1:0")
}

func (b *box) dialHere(address string) (net.Conn, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp4", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(20 * time.Second))
}

const caught = "caught by the bait"

// bait listens in a container's network namespace, as another service there would.
type bait struct {
	port   string
	caught atomic.Bool
}

// bait sets one up. Whoever connects is told that it was caught.
func (b *box) bait() *bait {
	b.Helper()
	type answer struct {
		l   net.Listener
		err error
	}
	done := make(chan answer)
	go func() {
		runtime.LockOSThread() // never unlocked
		l, err := b.listenHere()
		done <- answer{l, err}
	}()
	a := <-done
	b.must(a.err)
	b.Cleanup(func() { a.l.Close() })
	_, port, err := net.SplitHostPort(a.l.Addr().String())
	b.must(err)
	bait := &bait{port: port}
	go func() {
		for {
			conn, err := a.l.Accept()
			if err != nil {
				return
			}
			bait.caught.Store(true)
			go func() {
				defer conn.Close()
				io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n"+caught+"\n")
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn) // closing with something unread would be a reset
			}()
		}
	}()
	return bait
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
		if err != nil && strings.Contains(answer, "* BYE") {
			return answer
		}
		if err != nil {
			t.Fatalf("%q: %v after %q", line, err, answer)
		}
		answer += l
		if strings.HasPrefix(l, end) {
			return answer
		}
	}
}
