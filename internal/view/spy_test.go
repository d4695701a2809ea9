package view

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/inode"
)

// spy is a module that refuses chosen operations and remembers the results of all.
type spy struct {
	mu      sync.Mutex
	refuse  map[hooks.Operation]unix.Errno
	calls   []hooks.Call
	results []hooks.Result
	before  func(*hooks.Call)
	after   func(*hooks.Call, *hooks.Result)
}

func (*spy) Info() hooks.Info {
	return hooks.Info{Name: "spy", Description: "for tests", Monitors: hooks.Ops(hooks.Operations()...)}
}

func (s *spy) Pre(c *hooks.Call) hooks.Verdict {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before != nil {
		before(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return hooks.Verdict{Errno: s.refuse[c.Op], Rule: "test:1"}
}

func (s *spy) Post(c *hooks.Call, r *hooks.Result) {
	s.mu.Lock()
	after := s.after
	s.mu.Unlock()
	if after != nil {
		after(c, r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := *c
	kept.Data = append([]byte(nil), c.Data...)
	s.calls = append(s.calls, kept)
	s.results = append(s.results, *r)
}

func (s *spy) set(refuse map[hooks.Operation]unix.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse, s.calls, s.results = refuse, nil, nil
}

// last gives the newest call of an operation.
func (s *spy) last(t *testing.T, op hooks.Operation) (hooks.Call, hooks.Result) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.calls) - 1; i >= 0; i-- {
		if s.calls[i].Op == op {
			return s.calls[i], s.results[i]
		}
	}
	t.Fatalf("no call of %v", op)
	return hooks.Call{}, hooks.Result{}
}

// history gives all calls and their results.
func (s *spy) history() ([]hooks.Call, []hooks.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]hooks.Call(nil), s.calls...), append([]hooks.Result(nil), s.results...)
}

// let sets what runs before and after each call.
func (s *spy) let(before func(*hooks.Call), after func(*hooks.Call, *hooks.Result)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// keyOf is the identity of a file of the backing.
func (m *mounted) keyOf(t *testing.T, path string) inode.Key {
	t.Helper()
	fd, err := openat(unix.AT_FDCWD, path, unix.O_PATH|unix.O_NOFOLLOW)
	must(t, err)
	defer unix.Close(fd)
	key, err := m.Identify(fd)
	must(t, err)
	return key
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func get(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func wantErrno(t *testing.T, what string, err error, want unix.Errno) {
	t.Helper()
	if got := errno(err); got != want {
		var link *os.LinkError
		if errors.As(err, &link) && errno(link.Err) == want {
			return
		}
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func wantPaths(t *testing.T, f hooks.File, paths ...string) {
	t.Helper()
	got := f.Paths()
	if fmt.Sprint(sorted(got)) != fmt.Sprint(sorted(paths)) {
		t.Errorf("paths of %v: %q, want %q", f.Key(), got, paths)
	}
}
