package link

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ContainerInterface is the name of the container's end.
const ContainerInterface = "eth0"

// makeVeth makes the pair, the container's end in its namespace, and gives both their addresses and routes.
func makeVeth(name string, ns netns.NsHandle, addr netip.Addr) error {
	pair := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: name},
		PeerName:      ContainerInterface,
		PeerNamespace: netlink.NsFd(ns),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make interface %s: %w", name, err)
	}
	if err := switches(name); err != nil {
		return err
	}
	if err := hostEnd(name, addr); err != nil {
		return fmt.Errorf("set up interface %s: %w", name, err)
	}
	if err := containerEnd(ns, addr); err != nil {
		return fmt.Errorf("set up %s in the container: %w", ContainerInterface, err)
	}
	return nil
}

// switches sets what the kernel may do with packets from the container.
func switches(name string) error {
	for _, s := range []struct{ path, value string }{
		{"ipv6/conf/" + name + "/disable_ipv6", "1"},
		{"ipv4/conf/" + name + "/forwarding", "1"},
		{"ipv4/conf/" + name + "/arp_ignore", "1"},     // tell it of no other address of the host
		{"ipv4/conf/" + name + "/route_localnet", "1"}, // answers to clients of 127.0.0.1; the table drops the rest
	} {
		err := os.WriteFile(filepath.Join("/proc/sys/net", s.path), []byte(s.value), 0)
		if err != nil && !(os.IsNotExist(err) && s.path[3] == '6') {
			return fmt.Errorf("set a switch of interface %s: %w", name, err)
		}
	}
	return nil
}

func hostEnd(name string, addr netip.Addr) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: host32(Gateway)}); err != nil {
		return fmt.Errorf("give it %s: %w", Gateway, err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("set it up: %w", err)
	}
	return exclusiveRoute(&netlink.Route{
		LinkIndex: l.Attrs().Index, Dst: host32(addr), Src: Gateway.AsSlice(), Scope: netlink.SCOPE_LINK,
	})
}

// exclusiveRoute adds a route that must not be there yet.
func exclusiveRoute(r *netlink.Route) error {
	if err := netlink.RouteAdd(r); err != nil {
		return fmt.Errorf("add the route to %s: %w", r.Dst, err)
	}
	return nil
}

func containerEnd(ns netns.NsHandle, addr netip.Addr) error {
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := setUp(h, "lo"); err != nil {
		return err
	}
	l, err := h.LinkByName(ContainerInterface)
	if err != nil {
		return err
	}
	if err := h.AddrAdd(l, &netlink.Addr{IPNet: host32(addr)}); err != nil {
		return fmt.Errorf("give it %s: %w", addr, err)
	}
	if err := h.LinkSetUp(l); err != nil {
		return fmt.Errorf("set it up: %w", err)
	}
	index := l.Attrs().Index
	gateway := &netlink.Route{LinkIndex: index, Dst: host32(Gateway), Scope: netlink.SCOPE_LINK}
	if err := h.RouteAdd(gateway); err != nil {
		return fmt.Errorf("add the route to %s: %w", Gateway, err)
	}
	if err := h.RouteAdd(&netlink.Route{LinkIndex: index, Gw: Gateway.AsSlice()}); err != nil {
		return fmt.Errorf("add the default route: %w", err)
	}
	return nil
}

func setUp(h *netlink.Handle, name string) error {
	l, err := h.LinkByName(name)
	if err == nil {
		err = h.LinkSetUp(l)
	}
	if err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

// removeVeth removes the pair by its host's end. It is no error if there is none.
func removeVeth(name string) error {
	l, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkDel(l)
	}
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove interface %s: %w", name, err)
	}
	return nil
}
