package attack

import (
	"bufio"
	"io"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"
)

// outside is what lies beyond the container: listeners on the host that answer, so that an attempt knows whether it
// got through.
type outside struct {
	tcpPort, udpPort string
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); p.Close() })
	go echoStreams(l)
	go func() {
		b := make([]byte, 64)
		for {
			n, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = p.WriteTo(b[:n], from)
		}
	}()
	o := &outside{}
	_, o.tcpPort, _ = net.SplitHostPort(l.Addr().String())
	_, o.udpPort, _ = net.SplitHostPort(p.LocalAddr().String())
	return o
}

func echoStreams(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.Copy(c, c)
		}()
	}
}

// comeIn connects to a port of the container.
func (o *outside) comeIn(address, port string) {
	c, err := net.DialTimeout("tcp4", net.JoinHostPort(address, port), time.Second)
	if err == nil {
		c.Close()
	}
}

// watchPort copies what an attempt says and calls in when it says that it listens.
func watchPort(from io.Reader, to io.Writer, in func(port string)) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		if port, ok := strings.CutPrefix(lines.Text(), "port "); ok {
			in(port)
			continue
		}
		_, _ = io.WriteString(to, lines.Text()+"\n")
	}
}

// listenAbstract puts a listener with an abstract name into the container's network namespace.
func listenAbstract(t *testing.T, pid string) net.Listener {
	t.Helper()
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		ns, err := netns.GetFromPath("/proc/" + pid + "/ns/net")
		if err == nil {
			err = netns.Set(ns)
			ns.Close()
		}
		if err != nil {
			done <- result{nil, err}
			return
		}
		l, err := net.Listen("unix", "@"+abstractName)
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { r.l.Close() })
	go func() {
		for {
			c, err := r.l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return r.l
}

// namespace makes a network namespace with a way to the host, for the runtime that makes none.
func namespace(t *testing.T) string {
	t.Helper()
	const name, veth = "klw-attack", "klwattack0"
	_ = exec.Command("ip", "link", "del", veth).Run()
	_ = netns.DeleteNamed(name)
	if err := newNamed(name); err != nil {
		t.Fatalf("network namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := netns.DeleteNamed(name); err != nil {
			t.Errorf("network namespace: %v", err)
		}
	})
	for _, line := range []string{
		"link add " + veth + " type veth peer name eth0 netns " + name,
		"addr add 100.126.0.1/30 dev " + veth,
		"link set " + veth + " up",
		"-n " + name + " addr add 100.126.0.2/30 dev eth0",
		"-n " + name + " link set eth0 up",
		"-n " + name + " link set lo up",
		"-n " + name + " route add default via 100.126.0.1",
	} {
		run(t, "ip", strings.Fields(line)...)
	}
	return "/run/netns/" + name
}

// newNamed makes the namespace on a thread of its own, which ends with it.
func newNamed(name string) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		ns, err := netns.NewNamed(name)
		if err == nil {
			ns.Close()
		}
		done <- err
	}()
	return <-done
}
