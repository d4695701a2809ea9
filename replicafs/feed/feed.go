// Package feed is what klw-replicafs and its child klw-replica say to each other, over a SOCK_SEQPACKET pair whose one
// end is the child's descriptor 3 (the source is its descriptor 4). One packet is one JSON object.
//
//	klw-replicafs                            klw-replica
//	Head: there are records up to here  ->   applies them
//	                                    <-   Progress: what it has applied, and what of that is on disk
//	Stop                                ->   applies up to the last Head, brings that to disk
//	                                    <-   Progress; exits 0
//
// When klw-replicafs goes away, klw-replica applies what the journal still holds, brings it to disk and exits.
package feed

import (
	"encoding/json"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// The child's descriptors.
const (
	SocketFD = 3
	SourceFD = 4
)

// Order is what the server says.
type Order struct {
	Head uint64 `json:"head,omitempty"`
	Stop bool   `json:"stop,omitempty"`
}

// Progress is what the applier says.
type Progress struct {
	Applied uint64 `json:"applied"`
	Durable uint64 `json:"durable"`
	Fetched int64  `json:"fetched"`           // Fetch records since it started
	Copied  int64  `json:"copied"`            // bytes of their files that were looked at
	Alive   int    `json:"alive,omitempty"`   // seconds that it has waited for the replica, or read it
	LeftOut int    `json:"leftOut,omitempty"` // records that could not be applied, since somebody else changed the replica
	Note    string `json:"note,omitempty"`
	Error   string `json:"error,omitempty"` // why it doesn't get on; it tries again
}

const maxPacket = 16 << 10

// Conn is one end.
type Conn struct {
	c *net.UnixConn
}

// Pair makes both ends. The second is a file for the child.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	child := os.NewFile(uintptr(fds[1]), "feed")
	conn, err := FromFD(fds[0])
	if err != nil {
		child.Close()
		return nil, nil, err
	}
	return conn, child, nil
}

// FromFD takes an end over.
func FromFD(fd int) (*Conn, error) {
	f := os.NewFile(uintptr(fd), "feed")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("take over descriptor %d: %w", fd, err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("descriptor %d is no UNIX socket", fd)
	}
	return &Conn{u}, nil
}

// Send sends an Order or a Progress.
func (c *Conn) Send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = c.c.Write(b)
	return err
}

// Receive gets the other end's next packet.
func (c *Conn) Receive(v any) error {
	b := make([]byte, maxPacket)
	n, err := c.c.Read(b)
	if err != nil {
		return err
	}
	if n == 0 {
		return net.ErrClosed
	}
	return json.Unmarshal(b[:n], v)
}

// Close ends the connection.
func (c *Conn) Close() error { return c.c.Close() }
