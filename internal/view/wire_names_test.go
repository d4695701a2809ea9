package view

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNamesLeadNowhereElse: a request whose name isn't one name, or whose directory isn't one, is refused and touches
// nothing, whatever the operation.
func TestNamesLeadNowhereElse(t *testing.T) {
	place := t.TempDir()
	back := filepath.Join(place, "back")
	must(t, os.Mkdir(back, 0o777))
	put(t, filepath.Join(back, "a"), "a")
	put(t, filepath.Join(place, "sentinel"), "beside")
	must(t, os.Mkdir(filepath.Join(place, "empty"), 0o777))
	before := listing(t, place)
	w, err := connect(t, newServer(t, &spy{}), Options{Source: back, Name: "wire", Inside: "/"}, initMessage())
	must(t, err)
	defer w.hangUp()
	w.ask(named(opLookup, 2, rootID, 0, "a"))
	file := w.nodes[len(w.nodes)-1]
	for op, nodeFirst := range map[uint32]uint64{opLookup: 0, opMknod: 0, opMkdir: 0, opUnlink: 0, opRmdir: 0, opSymlink: 0,
		opCreate: 0, opLink: file, opRename: rootID, opRename2: rootID} {
		for _, name := range []string{"", ".", "..", "/", "../sentinel", "../empty", "../new", "a/../../new", "a/", "/a"} {
			w.refused(named(op, 3, rootID, nodeFirst, name), unix.EINVAL)
		}
		if op != opLink {
			w.refused(named(op, 3, file, nodeFirst, "new"), unix.ENOTDIR)
		}
	}
	w.refused(named(opLink, 3, file, file, "new"), unix.ENOTDIR)
	w.refused(named(opRename, 3, rootID, file, "a"), unix.ENOTDIR)
	want(t, "what there is", listing(t, place), before)
	want(t, "goes on", w.ask(named(opLookup, 4, rootID, 0, "a")), true)
}

// named is a request about a name, used for both of those that have two; first is what the fixed part begins with.
func named(op uint32, unique, node, first uint64, name string) []byte {
	body := make([]byte, bodies[op].size)
	if len(body) >= 8 && first != 0 {
		native.PutUint64(body, first)
	}
	if op == opMknod {
		native.PutUint32(body, unix.S_IFREG|0o644)
	}
	for range bodies[op].names {
		body = append(append(body, name...), 0)
	}
	return message(op, unique, node, 0, body)
}

// refused sends a request and wants it refused.
func (w *wire) refused(m []byte, want unix.Errno) {
	w.t.Helper()
	if !w.ask(m) {
		w.t.Fatal("the session ended")
	}
	if w.errno != want {
		w.t.Errorf("operation %d: %v, want %v: %q", native.Uint32(m[4:]), w.errno, want, m[inHeader:])
	}
}
