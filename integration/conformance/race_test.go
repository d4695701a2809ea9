package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"klw/internal/view"
)

// Two policies that agree about what is secret; the race exchanges them.
const (
	racePolicy  = "application test\n@general\nfile / read\nfile /open read write execute\nfile /secret none\n"
	racePolicy2 = racePolicy + "file /open/d read write\n"
)

var marker = []byte("nobody may read or change this")

// TestRace: while some rename, exchange, link, remove and replace names in every direction, and policies are swapped,
// others open, read and write by every route. What is secret is never read and never changed. It runs under the race
// detector too (tools/test).
func TestRace(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { race(t, k.options, 2000) })
	}
}

func race(t *testing.T, o view.Options, rounds int) {
	p := newPair(t, "native", t.TempDir(), o)
	for _, d := range []string{"open/d/d", "secret/d"} {
		check(t, os.MkdirAll(filepath.Join(p.behind, d), 0o777))
	}
	secrets := []string{"secret/a", "secret/b", "secret/d/a"}
	for _, s := range secrets {
		check(t, os.WriteFile(filepath.Join(p.behind, s), marker, 0o666))
	}
	p.module.Swap(bind(t, p.server, racePolicy)).Close()
	var got atomic.Int64 // operations that were allowed
	var all sync.WaitGroup
	for who := range 6 {
		all.Go(func() {
			g := rand.New(rand.NewPCG(uint64(who), 7))
			for range rounds {
				if attackOnce(t, p.view, g, who%2 == 0) {
					got.Add(1)
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	swaps := 0
	for i := 0; !closed(over); i++ {
		rules, err := tryBind(t, p.server, []string{racePolicy, racePolicy2}[i%2])
		if err != nil { // somebody has put a link into a rule's way
			continue
		}
		p.module.Swap(rules).Close()
		swaps++
	}
	if swaps < 10 {
		t.Errorf("only %d policies were swapped", swaps)
	}
	for _, s := range secrets {
		b, err := os.ReadFile(filepath.Join(p.behind, s))
		if err != nil || !bytes.Equal(b, marker) {
			t.Errorf("%s: %q, %v", s, b, err)
		}
	}
	if got.Load() < int64(rounds)/10 {
		t.Errorf("only %d operations were allowed: that was no race", got.Load())
	}
}

var racePlaces = []string{"open/a", "open/b", "open/d", "open/d/a", "open/d/d", "open/d/d/a", "secret", "secret/a", "secret/b", "secret/d", "secret/d/a"}

// attackOnce changes a name, or reads or writes by one of the routes, and tells whether it was let.
func attackOnce(t *testing.T, root string, g *rand.Rand, changes bool) bool {
	place := func() string { return filepath.Join(root, racePlaces[g.IntN(len(racePlaces))]) }
	from, to := place(), place()
	if changes {
		switch g.IntN(9) {
		case 0:
			return unix.Rename(from, to) == nil
		case 1:
			return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE) == nil
		case 2:
			return unix.Link(from, to) == nil
		case 3:
			return unix.Unlink(from) == nil
		case 4:
			return unix.Mkdir(from, 0o777) == nil
		case 5:
			return unix.Symlink(to, from) == nil
		case 6:
			return linkBy("", unix.AT_EMPTY_PATH, from, to) == nil
		case 7:
			return linkBy("/proc/self/fd/", unix.AT_SYMLINK_FOLLOW, from, to) == nil
		}
		return os.WriteFile(from, []byte("mine"), 0o666) == nil
	}
	fd, err := openBy(g.IntN(3), from)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	buf := make([]byte, 100)
	n, err := unix.Pread(fd, buf, 0)
	if n > 0 && bytes.Contains(buf[:n], marker) {
		t.Errorf("%s was read", from)
	}
	_, _ = unix.Pwrite(fd, []byte("overwritten"), 0)
	return err == nil
}

// openBy opens a path for reading and writing: by itself, by its directory's descriptor, or anew by an O_PATH one.
func openBy(route int, path string) (int, error) {
	const flags = unix.O_RDWR | unix.O_CLOEXEC | unix.O_NONBLOCK
	switch route {
	case 0:
		return unix.Open(path, flags, 0)
	case 1:
		dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		defer unix.Close(dir)
		return unix.Openat(dir, filepath.Base(path), flags, 0)
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	return unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), flags, 0)
}

// linkBy gives what a path leads to a further name, by a descriptor of it: itself, or its name in a folder of names.
func linkBy(folder string, flags int, from, to string) error {
	fd, err := unix.Open(from, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if folder == "" {
		return unix.Linkat(fd, "", unix.AT_FDCWD, to, flags)
	}
	return unix.Linkat(unix.AT_FDCWD, folder+strconv.Itoa(fd), unix.AT_FDCWD, to, flags)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
