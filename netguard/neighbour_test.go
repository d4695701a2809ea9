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
	attempts["in a new network"] = func(a []string) error {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		fmt.Println(unix.Gettid())
		if !bufio.NewScanner(os.Stdin).Scan() {
			return fmt.Errorf("test: no sign to go on")
		}
		return attempts[a[0]](a[1:])
	}
	attempts["patient answer"] = func(a []string) error {
		patience = 4 * time.Second
		defer time.Sleep(300 * time.Millisecond) // the network goes with this process
		return receive(a[0], true)
	}
	attempts["patient connect"] = func(a []string) (err error) {
		for range 6 { // a young network loses a packet now and then
			if err = tcpConnect(a[0], unix.IPPROTO_TCP); err == nil {
				break
			}
		}
		return err
	}
}

// networked runs an attempt in a network namespace that the attempt's process makes: fd00::2 and 10.8.8.2 there, fd00::1
// and 10.8.8.1 here. meet is called when it has started, with what it says.
func networked(t *testing.T, cgroup string, meet func(said *bufio.Reader), attempt ...string) {
	t.Helper()
	cmd, stop := childCommand(t, cgroup, "in a new network", attempt...)
	defer stop()
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	said := bufio.NewReader(out)
	var tid int
	if _, err := fmt.Fscanln(said, &tid); err != nil {
		t.Error(err)
	}
	if err := pair(tid); err != nil {
		t.Error(err)
	}
	fmt.Fprintln(in, "go on")
	meet(said)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, stderr.String())
	}
}

// TestNeighboursAreFound: where the container's own process made the network namespace, the kernel's own ICMPv6 socket
// belongs to the container's cgroup, and IPv6 works all the same.
func TestNeighboursAreFound(t *testing.T) {
	cgroup := newCgroup(t)
	inNetns(t, func() {
		_, r := load(t, cgroup, parse(t, "socket tcp connect [fd00::1]:4000\n"))
		l, err := net.Listen("tcp6", "[::]:4000")
		if err != nil {
			t.Error(err)
			return
		}
		defer l.Close()
		go accept(l)
		networked(t, cgroup, func(*bufio.Reader) {}, "patient connect", "[fd00::1]:4000")
		time.Sleep(20 * time.Millisecond) // the reader is told of refusals that aren't to be there
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.calls) != 0 {
			t.Errorf("refusals: %+v", r.calls)
		}
	})
}

// TestAnswersToAnotherMachine: what comes in by a real interface may be answered.
func TestAnswersToAnotherMachine(t *testing.T) {
	cgroup := newCgroup(t)
	inNetns(t, func() {
		load(t, cgroup, parse(t, "socket udp listen :6000\n"))
		networked(t, cgroup, func(said *bufio.Reader) {
			if _, err := said.ReadString('\n'); err != nil {
				t.Error(err)
			}
			var err error
			for range 6 {
				if err = udp("10.8.8.2:6000", sendTo); err == nil {
					return
				}
			}
			t.Errorf("no answer: %v", err)
		}, "patient answer", "0.0.0.0:6000")
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
	err = errors.Join(settleEnd(here, "fd00::1/64", "10.8.8.1/24"), settleEnd(there, "fd00::2/64", "10.8.8.2/24"))
	return errors.Join(err, waitUp(here), waitUp(there))
}

func settleEnd(h *netlink.Handle, addrs ...string) error {
	l, err := h.LinkByName("test0")
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		a, err := netlink.ParseAddr(addr)
		if err != nil {
			return err
		}
		if a.IP.To4() == nil {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(l, a); err != nil {
			return err
		}
	}
	return h.LinkSetUp(l)
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
