package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Range is where containers' addresses are from.
var Range = netip.MustParsePrefix("100.127.0.0/16")

// Gateway is the host's end of every container's link.
var Gateway = netip.MustParseAddr("100.127.0.1")

// lock keeps others from choosing an address on this host until unlock is called. It is a lock on the network namespace
// itself, which is the scope in which addresses are unique, whatever state folders its users have.
func lock() (unlock func(), err error) {
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	for {
		err = unix.Flock(int(ns.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		ns.Close()
		return nil, fmt.Errorf("lock the network namespace: %w", err)
	}
	return func() { ns.Close() }, nil
}

// freeAddress chooses an address that nothing on the host uses or has a route to. Call it under the lock.
func freeAddress(id string) (netip.Addr, error) {
	used, err := usedAddresses()
	if err != nil {
		return netip.Addr{}, err
	}
	h := fnv.New32a()
	h.Write([]byte(id))
	const size = 1 << 16
	base := binary.BigEndian.Uint32(Range.Addr().AsSlice())
	for i := range uint32(size) {
		n := (h.Sum32() + i) % size
		if n < 2 || n == size-1 { // network, gateway, broadcast
			continue
		}
		a := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, base+n)))
		if !used[a] {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("every address of %s is in use", Range)
}

// usedAddresses gives the addresses of Range that have a route of their own or belong to an interface.
func usedAddresses() (map[netip.Addr]bool, error) {
	used := map[netip.Addr]bool{}
	note := func(n *net.IPNet) {
		if n == nil {
			return
		}
		if a, ok := netip.AddrFromSlice(n.IP); ok && Range.Contains(a.Unmap()) {
			used[a.Unmap()] = true
		}
	}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list the host's routes: %w", err)
	}
	for _, r := range routes {
		note(r.Dst)
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list the host's addresses: %w", err)
	}
	for _, a := range addrs {
		note(a.IPNet)
		note(a.Peer)
	}
	return used, nil
}

// host32 is an address as a network of one.
func host32(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)}
}
