package link

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"klw/internal/policy"
)

// space is a network namespace, held by a thread that works in it.
type space struct {
	t    testing.TB
	tid  int
	work chan func()
}

// newSpace makes a network namespace with its loopback up. It goes when the test ends.
func newSpace(t testing.TB) *space {
	t.Helper()
	s := &space{t: t, work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine, and the namespace with the thread
		err := unix.Unshare(unix.CLONE_NEWNET)
		s.tid = unix.Gettid()
		ready <- err
		for f := range s.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(s.work) })
	s.do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	return s
}

// do runs f in the namespace; an error ends the test.
func (s *space) do(f func() error) {
	s.t.Helper()
	if err := s.try(f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *space) try(f func() error) (err error) {
	done := make(chan struct{})
	s.work <- func() { defer close(done); err = f() }
	<-done
	return err
}

// serve says on every connection who it came from.
func (s *space) serve(addr string) {
	s.t.Helper()
	s.do(func() error {
		l, err := net.Listen("tcp4", addr)
		if err != nil {
			return err
		}
		s.t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprint(c, c.RemoteAddr())
				c.Close()
			}
		}()
		return nil
	})
}

// dial connects from the namespace and gives what the server says.
func (s *space) dial(addr string) (said string, err error) {
	err = s.try(func() error {
		fd, err := connect(addr)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), addr)
		defer f.Close()
		b, err := io.ReadAll(f)
		said = string(b)
		return err
	})
	return said, err
}

// connect is done by hand, since net.Dial would take another thread.
func connect(addr string) (int, error) {
	a, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, err
	}
	limit := unix.NsecToTimeval(int64(1200 * time.Millisecond)) // a neighbour that was not found is looked for again after a second
	for _, opt := range []int{unix.SO_SNDTIMEO, unix.SO_RCVTIMEO} {
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, opt, &limit)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// setup makes a container's network in the host's namespace.
func (s *space) setup(id string, container *space, publish ...string) *Link {
	s.t.Helper()
	var l *Link
	s.do(func() (err error) {
		l, err = Setup(Options{ID: id, PID: container.tid, Publish: publications(s.t, publish)})
		return err
	})
	s.t.Cleanup(func() { s.try(l.Close) })
	return l
}

func publications(t testing.TB, lines []string) []policy.Publish {
	t.Helper()
	p, err := policy.Parse("p", []byte("application a\npublish "+strings.Join(lines, "\npublish ")+
		"\n@general\nsocket tcp listen :*\nsocket udp listen :*\n"))
	if len(lines) == 0 {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return p.Publish
}

// traces lists tables and interfaces of containers in the namespace.
func (s *space) traces() (names []string) {
	s.do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		tables, err := conn.ListTables()
		if err != nil {
			return err
		}
		for _, t := range tables {
			names = append(names, t.Name)
		}
		links, err := netlink.LinkList()
		for _, l := range links {
			if l.Attrs().Name != "lo" && l.Type() == "veth" {
				names = append(names, l.Attrs().Name)
			}
		}
		return err
	})
	return names
}

func netnsOf(s *space) (netns.NsHandle, error) { return netns.GetFromPid(s.tid) }

// flush empties a chain of a container's table.
func flush(table, chain string) error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	t := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: table}
	conn.FlushChain(&nftables.Chain{Table: t, Name: chain})
	return conn.Flush()
}
