package view

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// locker is a file that is locked by one path, and looked at by another.
type locker struct {
	t        *testing.T
	own, far string
	probe    *os.File
	opened   []*os.File
}

// open opens the file by the own path.
func (l *locker) open(flags int) *os.File {
	l.t.Helper()
	f, err := os.OpenFile(l.own, flags, 0)
	must(l.t, err)
	l.opened = append(l.opened, f)
	return f
}

// look opens the file by the other path. It stays open: closing it would end locks that this process has.
func (l *locker) look() *os.File {
	f, err := os.OpenFile(l.far, os.O_RDWR, 0)
	must(l.t, err)
	l.probe = f
	return f
}

// flocked and locked tell what whoever comes by the other path finds.
func (l *locker) flocked() bool {
	if unix.Flock(int(l.probe.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return true
	}
	must(l.t, unix.Flock(int(l.probe.Fd()), unix.LOCK_UN))
	return false
}

func (l *locker) locked() string {
	fl := unix.Flock_t{Type: unix.F_WRLCK}
	must(l.t, unix.FcntlFlock(l.probe.Fd(), unix.F_OFD_GETLK, &fl))
	return fmt.Sprint(fl.Type, fl.Start, fl.Len)
}

func (l *locker) free() bool { return !l.flocked() && l.locked() == "2 0 0" }

func setlk(f *os.File, cmd int, typ int16, start, size int64) error {
	return unix.FcntlFlock(f.Fd(), cmd, &unix.Flock_t{Type: typ, Start: start, Len: size})
}

// lockScenarios are played natively, between views, and between a view and the host, and must come out alike.
var lockScenarios = map[string]func(l *locker) []any{
	"flock": func(l *locker) []any {
		a, b := l.open(os.O_RDONLY), l.open(os.O_RDWR)
		out := []any{unix.Flock(int(a.Fd()), unix.LOCK_SH), l.flocked(), unix.Flock(int(b.Fd()), unix.LOCK_SH)}
		out = append(out, unix.Flock(int(a.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.Flock(int(b.Fd()), unix.LOCK_UN))
		out = append(out, unix.Flock(int(a.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.Flock(int(b.Fd()), unix.LOCK_SH|unix.LOCK_NB))
		a.Close()
		return append(out, awaitFree(l.t, func() bool { return !l.flocked() }))
	},
	"flock of a child": func(l *locker) []any {
		a := l.open(os.O_RDONLY)
		must(l.t, unix.Flock(int(a.Fd()), unix.LOCK_EX))
		child := exec.Command("sleep", "1000")
		child.ExtraFiles = []*os.File{a}
		must(l.t, child.Start())
		a.Close()
		out := []any{l.flocked()}
		child.Process.Kill()
		child.Wait()
		return append(out, awaitFree(l.t, func() bool { return !l.flocked() }))
	},
	"ranges": func(l *locker) []any {
		a := l.open(os.O_RDWR)
		out := []any{setlk(a, unix.F_SETLK, unix.F_WRLCK, 10, 10), l.locked()}
		out = append(out, setlk(a, unix.F_SETLK, unix.F_UNLCK, 12, 3), l.locked(), setlk(a, unix.F_SETLK, unix.F_RDLCK, 0, 0), l.locked())
		return append(out, setlk(a, unix.F_SETLK, unix.F_UNLCK, 0, 0), l.locked())
	},
	"any close ends a process's locks": func(l *locker) []any {
		a, b := l.open(os.O_RDWR), l.open(os.O_RDWR)
		out := []any{setlk(a, unix.F_SETLK, unix.F_WRLCK, 0, 0), l.locked()}
		b.Close()
		return append(out, l.locked())
	},
	"a close leaves locks of descriptions": func(l *locker) []any {
		a, b := l.open(os.O_RDWR), l.open(os.O_RDWR)
		out := []any{setlk(a, unix.F_OFD_SETLK, unix.F_WRLCK, 5, 1), setlk(b, unix.F_OFD_SETLK, unix.F_WRLCK, 0, 0)}
		b.Close()
		out = append(out, l.locked())
		a.Close()
		return append(out, awaitFree(l.t, l.free))
	},
	"a reader's lock": func(l *locker) []any {
		a := l.open(os.O_RDONLY)
		out := []any{setlk(a, unix.F_SETLK, unix.F_RDLCK, 3, 4), l.locked(), setlk(a, unix.F_SETLK, unix.F_WRLCK, 3, 4)}
		a.Close()
		return append(out, awaitFree(l.t, l.free))
	},
	"a locked file is renamed and removed": func(l *locker) []any {
		a := l.open(os.O_RDWR)
		b := l.open(os.O_RDWR)
		must(l.t, setlk(a, unix.F_OFD_SETLK, unix.F_WRLCK, 0, 0))
		must(l.t, unix.Flock(int(a.Fd()), unix.LOCK_EX))
		must(l.t, os.Rename(l.own, l.own+"2"))
		must(l.t, os.Remove(l.own+"2"))
		out := []any{setlk(b, unix.F_OFD_SETLK, unix.F_WRLCK, 0, 0), unix.Flock(int(b.Fd()), unix.LOCK_EX|unix.LOCK_NB)}
		a.Close()
		return append(out, awaitFree(l.t, func() bool { return setlk(b, unix.F_OFD_SETLK, unix.F_WRLCK, 0, 0) == nil }))
	},
}

// awaitFree waits for what the last close does: the kernel tells it to the server, and doesn't wait for an answer.
func awaitFree(t *testing.T, free func() bool) bool {
	eventually(t, "the lock is free", free)
	return true
}

// TestLocksAreShared: locks hold as natively between two views, a view and the host, and the host and a view.
func TestLocksAreShared(t *testing.T) {
	for name, play := range lockScenarios {
		native := t.TempDir() + "/f"
		put(t, native, "text")
		expect := playLocks(t, native, native, play)
		back := t.TempDir()
		s := newServer(t)
		a := attach(t, s, Options{Source: back, Locking: ShareAllLocks})
		b := attach(t, s, Options{Source: back, Inside: "/b", Locking: ShareAllLocks})
		c := attach(t, newServer(t), Options{Source: back, Locking: ShareAllLocks})
		for i, way := range [][2]string{{a.point, a.point}, {a.point, b.point}, {a.point, back}, {back, a.point}, {a.point, c.point}} {
			file := fmt.Sprint("f", i)
			put(t, filepath.Join(back, file), "text")
			got := playLocks(t, filepath.Join(way[0], file), filepath.Join(way[1], file), play)
			want(t, fmt.Sprintf("%s from %s to %s", name, way[0], way[1]), got, expect)
		}
		want(t, "owners that are kept", awaitFree(t, func() bool { return s.locks.size() == 0 }), true)
	}
}

func playLocks(t *testing.T, own, far string, play func(*locker) []any) string {
	t.Helper()
	l := &locker{t: t, own: own, far: far}
	defer func() {
		for _, f := range l.opened {
			f.Close()
		}
	}()
	defer l.look().Close()
	awaitFree(t, l.free)
	return fmt.Sprint(play(l))
}

func (t *lockTable) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.owners)
}

// TestLocksAreLocal: a view that shares no locks asks nobody and keeps them from the host.
func TestLocksAreLocal(t *testing.T) {
	spy := &spy{}
	m := attach(t, newServer(t, spy), Options{Cached: true, Ordered: true})
	put(t, m.path("f"), "text")
	l := &locker{t: t, own: m.path("f"), far: m.back + "/f"}
	defer l.look().Close()
	f := l.open(os.O_RDWR)
	defer f.Close()
	must(t, setlk(f, unix.F_SETLK, unix.F_WRLCK, 0, 0))
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	want(t, "fcntl", l.locked(), "2 0 0")
	want(t, "flock", l.flocked(), false)
	calls, _ := spy.history()
	for _, c := range calls {
		if c.Op == hooks.OpLock {
			t.Error("asked about a lock")
		}
	}
}

// TestWaitForLocks: who waits gets the lock from the host and from another view, and can be interrupted.
func TestWaitForLocks(t *testing.T) {
	back := t.TempDir()
	put(t, back+"/f", "text")
	spy := &spy{}
	a := attach(t, newServer(t, spy), Options{Source: back, Locking: ShareAllLocks})
	for _, holder := range []string{back, a.point} {
		l := &locker{t: t, own: holder + "/f", far: back + "/f"}
		f := l.open(os.O_RDWR)
		must(t, setlk(f, unix.F_OFD_SETLK, unix.F_WRLCK, 0, 0))
		must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
		var got atomic.Int32
		for _, lock := range []func(w *os.File) error{
			func(w *os.File) error { return setlk(w, unix.F_OFD_SETLKW, unix.F_WRLCK, 0, 0) },
			func(w *os.File) error { return unix.Flock(int(w.Fd()), unix.LOCK_EX) },
		} {
			w, err := os.OpenFile(a.path("f"), os.O_RDWR, 0)
			must(t, err)
			go func() {
				defer w.Close()
				if retry(func() error { return lock(w) }) == nil {
					got.Add(1)
				}
			}()
		}
		killWaiter(t, a.path("f"))
		want(t, "locks got too early", got.Load(), 0)
		f.Close()
		eventually(t, "both have their lock", func() bool { return got.Load() == 2 })
		l.look()
		awaitFree(t, l.free)
		l.probe.Close()
	}
	spy.last(t, hooks.OpLock)
}

// killWaiter wants a process that waits for a lock to die of a signal.
func killWaiter(t *testing.T, file string) {
	t.Helper()
	cmd := exec.Command("flock", file, "true")
	must(t, cmd.Start())
	time.Sleep(50 * time.Millisecond) // whether it waits already makes no difference to what must come
	must(t, cmd.Process.Signal(unix.SIGTERM))
	if err := cmd.Wait(); err == nil {
		t.Error("the waiter has got the lock")
	}
}
