package view

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Numbers of linux/fuse.h.
const (
	opLookup, opForget, opSymlink, opMknod, opMkdir, opUnlink, opRmdir, opRename  = 1, 2, 6, 8, 9, 10, 11, 12
	opLink, opOpen, opRead, opGetxattr, opListxattr, opInit, opOpenDir, opReadDir = 13, 14, 15, 22, 23, 26, 27, 28
	opCreate, opInterrupt, opIoctl, opReply, opForgets, opReadDirPlus, opRename2  = 35, 36, 39, 41, 42, 44, 45
	opTmpfile                                                                     = 51
	inHeader, outHeader, entrySize                                                = 40, 16, 128
	maxKernelErrno                                                                = 511
)

const (
	mostAnswer = 128 << 10
	patience   = 20 * time.Second
	pause      = 50 * time.Millisecond // after which a request that waits is interrupted
)

var native = binary.NativeEndian

// wire plays the kernel's part in front of a view, on a socket pair: it says what it likes. As the kernel does, it asks
// for no bigger answer than it can take, and takes one answer before it sends the next request.
type wire struct {
	t       *testing.T
	view    *View
	fd      int
	last    uint64     // number of the newest request
	errno   unix.Errno // the newest answer's
	nodes   []uint64
	handles []uint64
}

// connect serves a view at the other end of a wire. first is what the view hears first, which should be an INIT; without
// an error the view has to be ended.
func connect(t *testing.T, s *Server, o Options, first []byte) (*wire, error) {
	t.Helper()
	v, err := s.prepare(o)
	must(t, err)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 4*mostAnswer))
	w := &wire{t: t, view: v, fd: pair[0], nodes: []uint64{rootID}, handles: []uint64{0}}
	must(t, w.write(first))
	if len(first) == 0 {
		must(t, unix.Shutdown(w.fd, unix.SHUT_WR)) // an empty message is none
	}
	if err := v.converse(pair[1]); err != nil {
		v.end()
		unix.Close(w.fd)
		return nil, err
	}
	return w, nil
}

// message is a request with the lengths as they are.
func message(op uint32, unique, node uint64, uid uint32, body []byte) []byte {
	m := make([]byte, inHeader, inHeader+len(body))
	native.PutUint32(m, uint32(inHeader+len(body)))
	native.PutUint32(m[4:], op)
	native.PutUint64(m[8:], unique)
	native.PutUint64(m[16:], node)
	native.PutUint32(m[24:], uid)
	native.PutUint32(m[28:], uid)
	native.PutUint32(m[32:], uint32(unix.Getpid()))
	return append(m, body...)
}

// initMessage offers all capabilities there are.
func initMessage() []byte {
	body := make([]byte, 64)
	for i, v := range []uint32{7, 45, 1 << 20, ^uint32(0), ^uint32(0)} {
		native.PutUint32(body[4*i:], v)
	}
	return message(opInit, 1, 0, 0, body)
}

func (w *wire) write(m []byte) error {
	return retry(func() error { return unix.Sendto(w.fd, m, unix.MSG_NOSIGNAL, nil) })
}

// ask sends a message and takes the answer, if there must be one. It tells whether the session goes on.
func (w *wire) ask(m []byte) bool {
	limitAnswer(m)
	if err := w.write(m); err != nil {
		return false
	}
	if len(m) < inHeader {
		return true // one of those who listen has given up, perhaps the last
	}
	op, unique := native.Uint32(m[4:]), native.Uint64(m[8:])
	switch op {
	case opForget, opForgets, opReply, opInterrupt:
		return true
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		answer := w.read()
		switch {
		case answer == nil:
			select {
			case <-w.view.Done():
				return false
			default: // it waits for a lock
			}
			if w.interrupt(unique) != nil {
				return false
			}
		case w.check(answer) == unique:
			w.errno = unix.Errno(-int32(native.Uint32(answer[4:])))
			w.learn(op, answer)
			return true
		}
	}
	w.t.Fatalf("operation %d isn't answered: % x", op, m)
	return false
}

// limitAnswer makes a request ask for no more than the socket can take: go-fuse allocates what is asked for.
func limitAnswer(m []byte) {
	if len(m) < inHeader {
		return
	}
	at := map[uint32]int{opRead: 56, opReadDir: 56, opReadDirPlus: 56, opGetxattr: 40, opListxattr: 40, opIoctl: 68}[native.Uint32(m[4:])]
	if at > 0 && len(m) >= at+4 {
		native.PutUint32(m[at:], native.Uint32(m[at:])%mostAnswer)
	}
}

func (w *wire) interrupt(unique uint64) error {
	w.last++
	return w.write(message(opInterrupt, w.last<<32, 0, 0, native.AppendUint64(nil, unique)))
}

// read waits a moment for an answer.
func (w *wire) read() []byte {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, int(pause.Milliseconds()))
	if n <= 0 || err != nil {
		return nil
	}
	buf := make([]byte, 2*mostAnswer)
	n, err = unix.Read(w.fd, buf)
	if n <= 0 || err != nil {
		time.Sleep(time.Millisecond)
		return nil
	}
	return buf[:n]
}

// check holds an answer to the protocol: what the kernel would refuse leaves a request without an answer.
func (w *wire) check(a []byte) (unique uint64) {
	if len(a) < outHeader || int(native.Uint32(a)) != len(a) {
		w.t.Fatalf("an answer of %d bytes says that it has % x", len(a), a[:min(len(a), outHeader)])
	}
	e := -int32(native.Uint32(a[4:]))
	if e < 0 || e > maxKernelErrno || e > 0 && len(a) != outHeader {
		w.t.Fatalf("answer with error %d and %d bytes", e, len(a))
	}
	return native.Uint64(a[8:])
}

// learn keeps node ids and handles for later requests.
func (w *wire) learn(op uint32, a []byte) {
	if native.Uint32(a[4:]) != 0 || len(a) < outHeader+8 {
		return
	}
	id := native.Uint64(a[outHeader:])
	switch op {
	case opLookup, opMknod, opMkdir, opSymlink, opLink, opReadDirPlus:
		w.nodes = append(w.nodes, id)
	case opOpen, opOpenDir:
		w.handles = append(w.handles, id)
	case opCreate, opTmpfile:
		if len(a) >= outHeader+entrySize+8 {
			w.nodes = append(w.nodes, id)
			w.handles = append(w.handles, native.Uint64(a[outHeader+entrySize:]))
		}
	}
}

var errStays = errors.New("the session doesn't end")

// hangUp ends the session and waits for its end.
func (w *wire) hangUp() error {
	defer unix.Close(w.fd)
	_ = unix.Shutdown(w.fd, unix.SHUT_WR)
	for end := time.Now().Add(patience); time.Now().Before(end); w.read() {
		select {
		case <-w.view.Done():
			return nil
		default:
		}
	}
	return errStays
}
