package netguard

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func init() {
	attempts["connect over a new network"] = func(a []string) error {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		fmt.Println(unix.Gettid())
		if !bufio.NewScanner(os.Stdin).Scan() {
			return fmt.Errorf("test: no sign to go on")
		}
		var err error
		for range 6 { // a young network loses a packet now and then
			if err = tcpConnect(a[0], unix.IPPROTO_TCP); err == nil {
				break
			}
		}
		return err
	}
}

// TestNeighboursAreFound: where the container's own process made the network namespace, the kernel's own ICMPv6 socket
// belongs to the container's cgroup, and IPv6 works all the same.
func TestNeighboursAreFound(t *testing.T) {
	cgroup := newCgroup(t)
	inNetns(t, func() {
		_, r := load(t, cgroup, parse(t, "socket tcp connect [fd00::1]:4000\n"))
		cmd, stop := childCommand(t, cgroup, "connect over a new network", "[fd00::1]:4000")
		defer stop()
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return
		}
		var tid int
		if _, err := fmt.Fscan(out, &tid); err != nil {
			t.Error(err)
		}
		if err := pair(tid); err != nil {
			t.Error(err)
		}
		l, err := net.Listen("tcp6", "[fd00::1]:4000")
		if err != nil {
			t.Error(err)
		} else {
			defer l.Close()
			go accept(l)
		}
		fmt.Fprintln(in, "go on")
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, stderr.String())
		}
		time.Sleep(20 * time.Millisecond) // the reader is told of refusals that aren't to be there
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.calls) != 0 {
			t.Errorf("refusals: %+v", r.calls)
		}
	})
}

// pair joins this network namespace with a thread's: fd00::1 here, fd00::2 there.
func pair(tid int) error {
	v := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "test0"}, PeerName: "test0", PeerNamespace: netlink.NsPid(tid)}
	if err := netlink.LinkAdd(v); err != nil {
		return err
	}
	there, err := netnsHandle(tid)
	if err != nil {
		return err
	}
	defer there.Close()
	here, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer here.Close()
	for addr, h := range map[string]*netlink.Handle{"fd00::1/64": here, "fd00::2/64": there} {
		l, err := h.LinkByName("test0")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(addr)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		if err := h.AddrAdd(l, a); err != nil {
			return err
		}
		if err := h.LinkSetUp(l); err != nil {
			return err
		}
	}
	return errors.Join(waitUp(here), waitUp(there))
}

// waitUp waits until packets are sent and the address answers: a while after the interface is set up.
func waitUp(h *netlink.Handle) error {
	for range 300 {
		l, err := h.LinkByName("test0")
		if err != nil {
			return err
		}
		addrs, err := h.AddrList(l, netlink.FAMILY_V6)
		if err != nil {
			return err
		}
		ready := l.Attrs().OperState == netlink.OperUp
		for _, a := range addrs {
			ready = ready && (a.Flags&unix.IFA_F_TENTATIVE == 0 || a.IP.IsLinkLocalUnicast())
		}
		if ready {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("test0 doesn't come up")
}
