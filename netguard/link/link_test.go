package link

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestPublishedOnLoopback(t *testing.T) {
	host, container := newSpace(t), newSpace(t)
	host.setup("web", container, "tcp 127.0.0.1:8080 -> 80")
	container.serve("0.0.0.0:80")
	said, err := host.dial("127.0.0.1:8080")
	if err != nil || !strings.HasPrefix(said, Gateway.String()+":") {
		t.Errorf("the container saw %q, %v; want the gateway's address", said, err)
	}
	if _, err := host.dial("127.0.0.1:80"); err == nil {
		t.Error("a port that isn't published is reachable")
	}
}

func TestPublishedOnEveryAddress(t *testing.T) {
	host, container, lan := newSpace(t), newSpace(t), newSpace(t)
	connectLAN(t, host, lan)
	host.setup("web", container, "tcp 0.0.0.0:8080 -> 80", "tcp 198.51.100.1:8081 -> 80")
	container.serve("0.0.0.0:80")
	for _, addr := range []string{"127.0.0.1:8080", "198.51.100.1:8080", "198.51.100.1:8081"} {
		if _, err := host.dial(addr); err != nil {
			t.Errorf("%s from the host: %v", addr, err)
		}
	}
	for _, addr := range []string{"198.51.100.1:8080", "198.51.100.1:8081"} {
		if said, err := lan.dial(addr); err != nil || !strings.HasPrefix(said, "198.51.100.2:") {
			t.Errorf("%s from another machine: the container saw %q, %v", addr, said, err)
		}
	}
}

// connectLAN puts another machine next to the host: 198.51.100.1 is the host, .2 the machine.
func connectLAN(t *testing.T, host, lan *space) {
	t.Helper()
	address := func(name, addr string) error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(addr)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(l, a); err != nil {
			return err
		}
		return netlink.LinkSetUp(l)
	}
	host.do(func() error {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
			return err
		}
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "lan0"}, PeerName: "lan0", PeerNamespace: netlink.NsPid(lan.tid)}
		if err := netlink.LinkAdd(pair); err != nil {
			return err
		}
		return address("lan0", "198.51.100.1/24")
	})
	lan.do(func() error { return address("lan0", "198.51.100.2/24") })
}

func TestContainerReachesOtherMachinesAsTheHost(t *testing.T) {
	host, container, lan := newSpace(t), newSpace(t), newSpace(t)
	connectLAN(t, host, lan)
	l := host.setup("web", container)
	if len(l.Notes) != 0 {
		t.Errorf("notes on a host that forwards: %q", l.Notes)
	}
	lan.serve("0.0.0.0:80")
	said, err := container.dial("198.51.100.2:80")
	if err != nil || !strings.HasPrefix(said, "198.51.100.1:") {
		t.Errorf("the other machine saw %q, %v; want the host's address", said, err)
	}
	container.serve("0.0.0.0:81")
	lan.do(func() error {
		return netlink.RouteAdd(&netlink.Route{Dst: host32(l.Address), Gw: net.IPv4(198, 51, 100, 1)})
	})
	if _, err := lan.dial(l.Address.String() + ":81"); err == nil {
		t.Error("another machine reaches what isn't published")
	}
}

// TestHostIsOutOfReach takes the table away piece by piece, to show which piece it was.
func TestHostIsOutOfReach(t *testing.T) {
	host, container, lan := newSpace(t), newSpace(t), newSpace(t)
	connectLAN(t, host, lan)
	l := host.setup("web", container)
	host.serve("0.0.0.0:9999")
	intoLoopback(t, container)
	targets := []string{Gateway.String() + ":9999", "198.51.100.1:9999", "127.0.0.1:9999"}
	for _, to := range targets {
		if _, err := container.dial(to); err == nil {
			t.Errorf("the container reaches the host's %s", to)
		}
	}
	host.do(func() error { return flush(l.Table, "from_container") })
	if _, err := container.dial(targets[2]); err == nil {
		t.Errorf("only the input hook keeps the container from the host's %s", targets[2])
	}
	host.do(func() error { return Cleanup(l.Table, "") })
	for _, to := range targets {
		if _, err := container.dial(to); err != nil {
			t.Errorf("this proves nothing: without the table %s isn't reachable either: %v", to, err)
		}
	}
}

// intoLoopback lets the container send to the host's 127.0.0.1, as a root of its network namespace could.
func intoLoopback(t *testing.T, container *space) {
	t.Helper()
	container.do(func() error {
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/eth0/route_localnet", []byte("1"), 0); err != nil {
			return err
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		own := &net.IPNet{IP: net.IPv4(127, 0, 0, 1), Mask: net.CIDRMask(8, 32)}
		if err := netlink.AddrDel(lo, &netlink.Addr{IPNet: own}); err != nil {
			return err
		}
		eth, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{
			LinkIndex: eth.Attrs().Index, Dst: &net.IPNet{IP: net.IPv4(127, 0, 0, 0), Mask: net.CIDRMask(8, 32)},
			Gw: Gateway.AsSlice(),
		})
	})
}

// TestForgedSource: a second address of the container's own making gets nowhere.
func TestForgedSource(t *testing.T) {
	host, container, lan := newSpace(t), newSpace(t), newSpace(t)
	connectLAN(t, host, lan)
	l := host.setup("web", container)
	lan.serve("0.0.0.0:80")
	forged := netip.MustParseAddr("203.0.113.77")
	lan.do(func() error {
		return netlink.RouteAdd(&netlink.Route{Dst: host32(forged), Gw: net.IPv4(198, 51, 100, 1)})
	})
	container.do(func() error {
		eth, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(eth, &netlink.Addr{IPNet: host32(forged)}); err != nil {
			return err
		}
		return netlink.RouteReplace(&netlink.Route{LinkIndex: eth.Attrs().Index, Gw: Gateway.AsSlice(), Src: forged.AsSlice()})
	})
	host.do(func() error {
		veth, err := netlink.LinkByName(l.Veth)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: veth.Attrs().Index, Dst: host32(forged), Scope: unix.RT_SCOPE_LINK})
	})
	if said, err := container.dial("198.51.100.2:80"); err == nil {
		t.Errorf("a packet with another source passed, seen as %q", said)
	}
	host.do(func() error { return flush(l.Table, "source") })
	if said, err := container.dial("198.51.100.2:80"); err != nil || !strings.HasPrefix(said, forged.String()) {
		t.Errorf("this proves nothing: without the rule it doesn't pass either: %q, %v", said, err)
	}
}

func TestTwoContainers(t *testing.T) {
	host, a, b := newSpace(t), newSpace(t), newSpace(t)
	la := host.setup("a", a, "tcp 127.0.0.1:8001 -> 80")
	lb := host.setup("b", b, "tcp 127.0.0.1:8002 -> 80")
	if la.Address == lb.Address {
		t.Fatalf("both have %s", la.Address)
	}
	a.serve("0.0.0.0:80")
	b.serve("0.0.0.0:80")
	if said, err := a.dial(lb.Address.String() + ":80"); err != nil || !strings.HasPrefix(said, la.Address.String()+":") {
		t.Errorf("from a container to another: seen as %q, %v; want its own address", said, err)
	}
	host.do(la.Close)
	if _, err := host.dial("127.0.0.1:8002"); err != nil {
		t.Errorf("the second container, after the first has gone: %v", err)
	}
}
