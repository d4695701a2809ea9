package netguard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

// Stats are counts since Load.
type Stats struct {
	Refused uint64 // refusals
	Lost    uint64 // of these, refusals that the observer wasn't told of
}

// lossDelay is how long after an event losses are looked for.
const lossDelay = time.Second

// operations are the numbers of enum operation in bpf/maps.h.
var operations = []hooks.Operation{
	1: hooks.OpSocket, 2: hooks.OpBind, 3: hooks.OpListen, 4: hooks.OpConnect, 5: hooks.OpSend,
}

// reader takes refusals out of the ring until it is stopped.
type reader struct {
	ring    *ringbuf.Reader
	done    chan struct{}
	observe func(*hooks.Call, Question)
	lost    func()
}

func startReader(ring *ringbuf.Reader, observe func(*hooks.Call, Question), lost func()) *reader {
	r := &reader{ring: ring, done: make(chan struct{}), observe: observe, lost: lost}
	go r.run()
	return r
}

// stop tells what is still in the ring, then ends the reader.
func (r *reader) stop() error {
	err := r.ring.Flush()
	<-r.done
	return err
}

func (r *reader) run() {
	defer close(r.done)
	var rec ringbuf.Record
	for {
		err := r.ring.ReadInto(&rec)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.lost()
			r.ring.SetDeadline(time.Time{}) // sleep until something happens
			continue
		case err != nil: // flushed
			r.lost()
			return
		}
		var e rawEvent
		if binary.Read(bytes.NewReader(rec.RawSample), binary.NativeEndian, &e) == nil {
			r.observe(e.call())
		}
		r.ring.SetDeadline(time.Now().Add(lossDelay))
	}
}

// call says what was refused in the words of hooks, and as a question to the rules.
func (e *rawEvent) call() (*hooks.Call, Question) {
	c := &hooks.Call{
		Op:     e.operation(),
		Caller: hooks.Caller{PID: e.PID, UID: e.UID, GID: e.GID, Comm: unix.ByteSliceToString(e.Comm[:])},
		Socket: &hooks.Socket{Family: uint16(e.Family), Type: e.Type, Protocol: e.Protocol},
	}
	q := Question{Op: c.Op, UID: e.UID}
	switch {
	case e.Op == 1: // no address
	case e.Family == unix.AF_UNIX:
		c.Socket.Name = string(e.Name[:min(int(e.Len), len(e.Name))])
		q.Protocol, q.Name = policy.Unix, c.Socket.Name
	default:
		c.Socket.Addr = e.address()
		q.Protocol, q.Addr = e.protocol(), c.Socket.Addr
	}
	return c, q
}

func (e *rawEvent) operation() hooks.Operation {
	if int(e.Op) < len(operations) {
		return operations[e.Op]
	}
	return hooks.OpSocket
}

func (e *rawEvent) protocol() policy.Protocol {
	switch e.Protocol {
	case unix.IPPROTO_TCP:
		return policy.TCP
	case unix.IPPROTO_UDP:
		return policy.UDP
	}
	return 0
}

func (e *rawEvent) address() netip.AddrPort {
	a := netip.AddrFrom16(e.Addr)
	if e.Family == unix.AF_INET {
		a = netip.AddrFrom4([4]byte(e.Addr[:4]))
	}
	return netip.AddrPortFrom(a, e.Port)
}
