package view

import (
	"bytes"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// FuzzMessages sends a view what the kernel never would: whatever it is, each request is answered as the protocol
// demands, nothing panics, nothing beside the view's backing is touched, and the end leaves no descriptor open.
func FuzzMessages(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(randomScript(seed))
	}
	f.Add([]byte{0})
	f.Add([]byte{128, 5, 1, 2, 3, 4, 5})
	room := f.TempDir()
	must(f, unix.Mount("none", room, "tmpfs", 0, "size=32m,nr_inodes=10k")) // what is allocated ends there
	f.Cleanup(func() { unix.Unmount(room, unix.MNT_DETACH) })
	log.SetOutput(io.Discard) // go-fuse complains of messages there
	f.Cleanup(func() { log.SetOutput(os.Stderr) })
	f.Fuzz(func(t *testing.T, text []byte) {
		place := filepath.Join(room, "place")
		must(t, os.Mkdir(place, 0o755))
		defer os.RemoveAll(place)
		talk(t, place, &script{rest: text})
	})
}

// randomScript is a long one.
func randomScript(seed uint64) []byte {
	g := rand.New(rand.NewPCG(seed, 3))
	text := []byte{byte(seed) & 0x7f}
	for range 600 {
		text = append(text, byte(g.UintN(256)))
	}
	return text
}

func talk(t *testing.T, place string, s *script) {
	back := filepath.Join(place, "back")
	must(t, os.Mkdir(back, 0o777))
	must(t, os.Mkdir(filepath.Join(back, "dir"), 0o777))
	put(t, filepath.Join(place, "sentinel"), "beside")
	for _, name := range []string{"a", "b", "dir/a"} {
		put(t, filepath.Join(back, name), strings.Repeat(name, 1000))
	}
	must(t, os.Symlink("../sentinel", filepath.Join(back, "out")))
	must(t, unix.Mkfifo(filepath.Join(back, "fifo"), 0o666))
	before, fds := beside(t, place), openFDs(t)

	var errs bytes.Buffer
	mods, o, first := s.setting(back)
	srv := newServer(t, mods...)
	srv.errors = &errs
	if w, err := connect(t, srv, o, first); err == nil {
		w.begin()
		for !s.ended() && w.ask(s.message(w)) {
		}
		must(t, w.hangUp())
	}
	if strings.Contains(errs.String(), "panic") {
		t.Error(errs.String())
	}
	want(t, "beside the backing", beside(t, place), before)
	if n := openFDs(t); n > fds {
		for _, d := range descriptors() {
			to, _ := os.Readlink("/proc/self/fd/" + d.Name())
			t.Log(d.Name(), to)
		}
		t.Errorf("%d descriptors, %d before", n, fds)
	}
	want(t, "objects", srv.Inodes(), 0)
}

// begin makes a few things known and opens them, in good order.
func (w *wire) begin() {
	ask := func(op uint32, node uint64, body ...byte) {
		w.last++
		w.ask(message(op, w.last, node, 0, body))
	}
	for _, name := range []string{"a", "b", "dir", "fifo", "out"} {
		ask(opLookup, rootID, append([]byte(name), 0)...)
	}
	for _, n := range w.nodes {
		ask(opOpen, n, unix.O_RDWR, 0, 0, 0, 0, 0, 0, 0)
		ask(opOpenDir, n, make([]byte, 8)...)
	}
}

// beside describes a place but for what is in the backing.
func beside(t *testing.T, place string) string {
	t.Helper()
	var lines []string
	for _, line := range strings.Split(listing(t, place), "\n") {
		if !strings.HasPrefix(line, filepath.Join(place, "back")) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + get(t, filepath.Join(place, "sentinel"))
}

// script reads what to do from bytes.
type script struct{ rest []byte }

func (s *script) ended() bool { return len(s.rest) == 0 }

func (s *script) byte() byte {
	if s.ended() {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

func (s *script) bytes(n int) []byte {
	b := append([]byte(nil), s.rest[:min(n, len(s.rest))]...)
	s.rest = s.rest[len(b):]
	return b
}

// setting chooses the view, and what it hears first.
func (s *script) setting(back string) (mods []hooks.Module, o Options, first []byte) {
	b := s.byte()
	o = Options{Source: back, Name: "wire", Inside: "/", Cached: b&1 != 0, Ordered: b&2 != 0, Locking: Locking(b >> 2 & 3 % 3)}
	if b&16 != 0 {
		mods = append(mods, &spy{})
	}
	if b&32 != 0 {
		o.Alias = "alias"
	}
	first = initMessage()
	if b&128 != 0 {
		first = s.bytes(int(s.byte()))
	}
	return mods, o, first
}

// bodies are the sizes of the fixed part of each operation (linux/fuse.h), and how many names follow.
var bodies = map[uint32]struct{ size, names int }{
	1: {0, 1}, 2: {8, 0}, 3: {16, 0}, 4: {88, 0}, 5: {0, 0}, 6: {0, 2}, 8: {16, 1}, 9: {8, 1}, 10: {0, 1}, 11: {0, 1},
	12: {8, 2}, 13: {8, 1}, 14: {8, 0}, 15: {40, 0}, 16: {40, 2}, 17: {0, 0}, 18: {24, 0}, 20: {16, 0}, 21: {16, 2},
	22: {8, 1}, 23: {8, 0}, 24: {0, 1}, 25: {24, 0}, 26: {64, 0}, 27: {8, 0}, 28: {40, 0}, 29: {24, 0}, 30: {16, 0},
	31: {48, 0}, 32: {48, 0}, 33: {48, 0}, 34: {8, 0}, 35: {16, 1}, 36: {8, 0}, 37: {16, 0}, 38: {0, 0}, 39: {32, 2},
	40: {24, 0}, 41: {40, 0}, 42: {40, 0}, 43: {32, 0}, 44: {40, 0}, 45: {16, 2}, 46: {24, 0}, 47: {56, 0}, 48: {40, 0},
	50: {8, 0}, 51: {16, 1}, 52: {24, 0}, 53: {56, 0}, 100: {0, 0}, 4096: {16, 1},
}

var wireNames = []string{"a", "b", "dir", "out", "fifo", "new", "newer", "alias", "", ".", "..", "/", "../sentinel", "../x",
	"dir/../../sentinel", "dir/a", "out/", ".go-fuse-epoll-hack", "user.x", "trusted.x", "security.capability",
	"system.posix_acl_access", strings.Repeat("n", 255), strings.Repeat("n", 300), strings.Repeat("n", 5000)}

var extremes = []uint32{^uint32(0), 1<<31 - 1, 1 << 31, 1 << 30, 4096, 0o100644, 0o010644, 0o020644, 0o140755, unix.O_TRUNC | unix.O_RDWR,
	unix.O_RDWR, unix.O_APPEND | unix.O_WRONLY, 1 << 20, 0x801c581f, unix.FS_IOC_GETFLAGS}

// message makes the next message: mostly a request with something wrong, sometimes bytes.
func (s *script) message(w *wire) []byte {
	w.last++
	if s.byte() < 20 {
		return s.bytes(int(s.byte()))
	}
	op := s.operation()
	node, shape := w.nodes[int(s.byte())%len(w.nodes)], s.byte()
	if shape >= 0xf0 {
		node = uint64(s.field())<<32 | uint64(s.field())
	}
	body := s.body(w, bodies[op].size, shape)
	for i := range bodies[op].names {
		body = append(body, wireNames[int(s.byte())%len(wireNames)]...)
		if shape&8 == 0 || i == 0 {
			body = append(body, 0)
		}
	}
	if shape&0x30 == 0x30 {
		body = body[:min(len(body), int(s.byte()))]
	}
	uid := []uint32{0, 1000, ^uint32(0), 0}[s.byte()&3]
	return message(op, w.last, node, uid, body)
}

// operation prefers those that make something known or open.
func (s *script) operation() uint32 {
	b := uint32(s.byte())
	switch {
	case b < 128:
		return b % 55
	case b < 250:
		return []uint32{opLookup, opOpen, opCreate, opOpenDir, opLookup, opOpen, opReadDirPlus, 33, 32, 16, 12, 13, 10, 4, 18}[b%15]
	}
	return []uint32{100, 4096, 105}[b%3]
}

// body fills fields, and puts handles and nodes where most requests have them.
func (s *script) body(w *wire, size int, shape byte) []byte {
	body := make([]byte, 0, size+64)
	for len(body) < size {
		body = native.AppendUint32(body, s.field())
	}
	handle := w.handles[int(s.byte())%len(w.handles)]
	switch {
	case size < 8:
	case shape&3 == 1:
		native.PutUint64(body, w.nodes[int(s.byte())%len(w.nodes)])
	case shape&3 == 2 && size >= 16:
		native.PutUint64(body[8:], handle)
	case shape&3 == 3:
		native.PutUint64(body, handle)
	}
	return body
}

func (s *script) field() uint32 {
	b := s.byte()
	switch {
	case b < 64:
		return uint32(b)
	case b < 200:
		return 0
	}
	return extremes[int(b)%len(extremes)]
}
