package link

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"web", "web2", "a.b", "a_b", "a-b", strings.Repeat("x", 39), strings.Repeat("x", 40), strings.Repeat("x", 300)} {
		table, veth := Names(id)
		if len(veth) > 15 || len(table) > 255 || !strings.HasPrefix(table, "klw_") {
			t.Errorf("%s: %s %s", id, table, veth)
		}
		for _, name := range []string{table, veth} {
			if other, ok := seen[name]; ok {
				t.Errorf("%s and %s share %s", id, other, name)
			}
			seen[name] = id
		}
		if strings.Trim(table[4:], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
			t.Errorf("nft can't write %s", table)
		}
	}
	if table, _ := Names("web"); table != "klw_web" {
		t.Errorf("web has table %s", table)
	}
}

func TestNothingIsLeft(t *testing.T) {
	host, container := newSpace(t), newSpace(t)
	l := host.setup("web", container, "tcp 127.0.0.1:8080 -> 80", "udp 127.0.0.1:8080 -> 80")
	table, veth := Names("web")
	if got := host.traces(); len(got) != 2 || l.Table != table || l.Veth != veth {
		t.Errorf("traces %q, names %q %q", got, l.Table, l.Veth)
	}
	host.do(func() error { return Cleanup(table, veth) })
	if got := host.traces(); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
	host.do(func() error { return Cleanup(table, veth) })
	host.do(l.Close)
	host.do(func() error { return Cleanup("", "") })
	host.setup("web", container, "tcp 127.0.0.1:8080 -> 80")
}

func TestCleanupLeavesOthersAlone(t *testing.T) {
	host := newSpace(t)
	host.do(func() error {
		if err := Cleanup("filter", ""); err == nil {
			return errors.New("removed a table that isn't ours")
		}
		if err := Cleanup("", "lo"); err == nil {
			return errors.New("removed an interface that isn't ours")
		}
		return nil
	})
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		publish string
		before  func(host *space)
		want    string
	}{
		"port in use": {"tcp 127.0.0.1:8080 -> 80", func(h *space) { h.serve("0.0.0.0:8080") },
			"p:2: publish tcp 127.0.0.1:8080 -> 80: port 8080 of 127.0.0.1 is in use on this host: stop what uses it, or publish another port"},
		"not ours": {"tcp 203.0.113.9:8080 -> 80", func(*space) {}, "203.0.113.9 is no address of this host"},
		"IPv6":     {"tcp [::1]:8080 -> 80", func(*space) {}, "IPv6 addresses can't be published yet"},
	} {
		t.Run(name, func(t *testing.T) {
			host, container := newSpace(t), newSpace(t)
			c.before(host)
			err := host.try(func() error {
				_, err := Setup(Options{ID: "web", PID: container.tid, Publish: publications(t, []string{"udp 127.0.0.1:1 -> 1", c.publish}[1:])})
				return err
			})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if got := host.traces(); len(got) != 0 {
				t.Errorf("left: %q", got)
			}
		})
	}
}

func TestSamePortTwice(t *testing.T) {
	host, a, b := newSpace(t), newSpace(t), newSpace(t)
	host.setup("a", a, "tcp 127.0.0.1:8080 -> 80", "udp 127.0.0.1:8080 -> 80")
	for _, what := range []string{"tcp 127.0.0.1:8080 -> 80", "udp 127.0.0.1:8080 -> 80"} {
		err := host.try(func() error {
			_, err := Setup(Options{ID: "b", PID: b.tid, Publish: publications(t, []string{what})})
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("%s was published twice: %v", what, err)
		}
	}
}

func TestSameIDTwice(t *testing.T) {
	host, a, b := newSpace(t), newSpace(t), newSpace(t)
	host.setup("web", a, "tcp 127.0.0.1:8080 -> 80")
	a.serve("0.0.0.0:80")
	err := host.try(func() error {
		_, err := Setup(Options{ID: "web", PID: b.tid})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "delete it first") {
		t.Errorf("a second container of the same id: %v", err)
	}
	if _, err := host.dial("127.0.0.1:8080"); err != nil {
		t.Errorf("the first one suffered from it: %v", err)
	}
}

func TestOwnNamespaceIsRefused(t *testing.T) {
	host := newSpace(t)
	host.do(func() error {
		if _, err := Setup(Options{ID: "web", PID: unix.Gettid()}); err == nil {
			return errors.New("set up a container in the host's own network namespace")
		}
		return nil
	})
}

// TestHalfMade: the container has an eth0 already, so the last steps fail.
func TestHalfMade(t *testing.T) {
	host, other, container := newSpace(t), newSpace(t), newSpace(t)
	other.setup("first", container)
	err := host.try(func() error {
		_, err := Setup(Options{ID: "web", PID: container.tid, Publish: publications(t, []string{"tcp 127.0.0.1:8080 -> 80"})})
		return err
	})
	if err == nil {
		t.Error("a second eth0 was made")
	}
	if got := host.traces(); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
	host.serve("127.0.0.1:8080")
}

func TestAddressesAreUnique(t *testing.T) {
	host := newSpace(t)
	const n = 6
	var mu sync.Mutex
	seen := map[netip.Addr]bool{}
	for i := range n {
		container := newSpace(t)
		// The same start for all of them: they must walk on.
		host.do(func() error {
			unlock, err := lock()
			if err != nil {
				return err
			}
			defer unlock()
			a, err := freeAddress("the same")
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if seen[a] || a == Gateway || !Range.Contains(a) {
				return fmt.Errorf("%s again", a)
			}
			seen[a] = true
			_, veth := Names(fmt.Sprint(i))
			ns, err := netnsOf(container)
			if err != nil {
				return err
			}
			defer ns.Close()
			return makeVeth(veth, ns, a)
		})
	}
}

// TestLockExcludes: a second lock on the same network namespace waits, one on another doesn't.
func TestLockExcludes(t *testing.T) {
	host, other := newSpace(t), newSpace(t)
	host.do(func() error {
		unlock, err := lock()
		if err != nil {
			return err
		}
		defer unlock()
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("locked twice: %w", err)
		}
		return other.try(func() error {
			unlock, err := lock()
			if err == nil {
				unlock()
			}
			return err
		})
	})
}
