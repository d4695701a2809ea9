package apache

import (
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"klw/internal/audit"
)

// Two containers at once know nothing of each other.
func TestTwo(t *testing.T) {
	t.Parallel()
	a, b := newBox(t), newBox(t)
	a.write("site/index.html", "of a")
	b.write("site/index.html", "of b")
	ra, rb := a.run(), b.run()
	a.serves("/", "of a")
	b.serves("/", "of b")
	addressA, addressB := a.inner(), b.inner()
	if addressA == addressB {
		t.Fatalf("both have %s", addressA)
	}
	for _, c := range []struct {
		from *box
		to   string
	}{{a, addressB}, {b, addressA}} {
		in := c.from.insider()
		_, published, _ := net.SplitHostPort(a.address)
		for _, to := range []string{c.to + ":80", "100.127.0.1:" + published, c.to + ":22", "100.127.0.1:22"} {
			if got := in.connect(to); !strings.Contains(got, "Operation not permitted") {
				t.Errorf("connect to %s: %s", to, got)
			}
			c.from.eventually("an event of the connect to "+to, func() bool {
				return c.from.event(func(e audit.Event) bool {
					return e.Operation == "connect" && e.Decision == audit.Refused && e.Module == "sockets" && e.Address == "tcp "+to &&
						e.Rule == "no rule" && e.Container == c.from.id
				}) != nil
			})
		}
		if got := in.connect("127.0.0.1:80"); got != "ok" {
			t.Errorf("connect to itself: %s", got)
		}
	}
	for _, e := range a.events() {
		if e.Container != a.id {
			t.Errorf("an event of %s in %s", e.Container, a.id)
		}
	}
	// The end of one is nothing to the other.
	ra.stop(syscall.SIGTERM)
	a.nothingLeft()
	b.serves("/", "of b")
	rb.stop(syscall.SIGTERM)
}

// inner is the container's own address.
func (b *box) inner() string {
	b.Helper()
	out, err := exec.Command("nsenter", "--net=/proc/"+itoa(b.state().Pid)+"/ns/net", "ip", "-4", "-o", "addr", "show", "dev", "eth0").Output()
	b.must(err)
	for _, f := range strings.Fields(string(out)) {
		if p, err := netip.ParsePrefix(f); err == nil {
			return p.Addr().String()
		}
	}
	b.Fatalf("no address in %s", out)
	return ""
}
