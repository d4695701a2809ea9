package view

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"klw/internal/inode"
)

// TestNamesAtRandom changes names at random through two views of a tree and one of a part of it, and in half of the
// rounds on the host too. What the server knows is what is there: at once of what went through the views, and after
// a look of the rest.
func TestNamesAtRandom(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newServer(t)
		a := attach(t, s, Options{})
		must(t, os.Mkdir(a.path("part"), 0o755))
		b := attach(t, s, Options{Source: a.back, Inside: "/b", Cached: true, Ordered: true})
		attach(t, s, Options{Source: a.back + "/part", Inside: "/c"})
		points := []string{a.point, b.point}
		if seed%2 == 1 {
			points = append(points, a.back)
		}
		for range 400 {
			change(r, points[r.IntN(len(points))])
		}
		names := actual(t, a.back)
		if seed%2 == 0 {
			s.compare(t, names, true)
		}
		s.lookAgain(a.View) // for what the host has taken away
		for _, paths := range names {
			for _, p := range paths {
				s.look(t, a.View, p)
			}
		}
		s.compare(t, names, false)
		s.check(t)
	}
}

// compare holds what the server knows against what is there.
func (s *Server) compare(t *testing.T, names map[inode.Key][]string, forgotten bool) {
	t.Helper()
	known := 0
	for key, paths := range names {
		var expect []string
		for _, p := range paths {
			expect = append(expect, strings.TrimPrefix(p, "."), "/b"+strings.TrimPrefix(p, "."))
			if p == "./part" || strings.HasPrefix(p, "./part/") {
				expect = append(expect, "/c"+strings.TrimPrefix(p, "./part"))
			}
		}
		s.mu.RLock()
		n := s.byKey[key]
		s.mu.RUnlock()
		if n == nil && !forgotten {
			t.Errorf("%q isn't known", paths)
		}
		if n != nil && paths[0] != "." {
			wantPaths(t, n, expect...)
			known++
		}
	}
	if known < len(names)/2 {
		t.Errorf("of %d objects %d are known", len(names), known)
	}
}

// change does one thing to the names below a folder. Much of it fails.
func change(r *rand.Rand, dir string) {
	name := func() string {
		n := fmt.Sprint(dir, "/", []string{"", "part/", "d1/", "part/d2/", "d1/d3/"}[r.IntN(5)])
		return n + []string{"x", "y", "z", "d1", "d2", "d3"}[r.IntN(6)]
	}
	x, y := name(), name()
	switch r.IntN(9) {
	case 0, 1:
		os.WriteFile(x, nil, 0o600)
	case 2:
		os.Mkdir(x, 0o700)
	case 3:
		os.Link(x, y)
	case 4:
		unix.Unlink(x)
	case 5:
		unix.Rmdir(x)
	case 6:
		unix.Renameat2(unix.AT_FDCWD, x, unix.AT_FDCWD, y, unix.RENAME_EXCHANGE)
	default:
		os.Rename(x, y)
	}
}

// look has the server look a path of the view up, past what the kernel remembers.
func (s *Server) look(t *testing.T, v *View, path string) {
	t.Helper()
	n := v.root
	s.hold(n)
	for _, name := range split(strings.TrimPrefix(path, ".")) {
		next, _, err := v.child(n, name)
		must(t, err)
		s.release(n)
		n = next
	}
	s.hold(n) // known for good
	s.release(n)
}

// lookAgain looks up all names that are known.
func (s *Server) lookAgain(v *View) {
	s.mu.Lock()
	var all []link
	for _, n := range s.byKey {
		for _, l := range n.links {
			l.parent.refs++
			all = append(all, l)
		}
	}
	s.mu.Unlock()
	for _, l := range all {
		n, _, _ := v.child(l.parent, l.name)
		s.release(n, l.parent)
	}
}

// actual gives all names below a folder, by identity.
func actual(t *testing.T, dir string) map[inode.Key][]string {
	t.Helper()
	src, err := openSource(dir)
	must(t, err)
	defer src.close()
	names := map[inode.Key][]string{}
	must(t, filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		must(t, err)
		fd, err := openat(unix.AT_FDCWD, p, unix.O_PATH|unix.O_NOFOLLOW)
		must(t, err)
		defer unix.Close(fd)
		id, err := src.identify(fd)
		must(t, err)
		rel, _ := filepath.Rel(dir, p)
		if rel != "." {
			rel = "./" + rel
		}
		names[id.key] = append(names[id.key], rel)
		return nil
	}))
	return names
}

// check compares the two directions of the graph of names, and the references that it holds.
func (s *Server) check(t *testing.T) {
	t.Helper()
	s.mu.RLock()
	defer s.mu.RUnlock()
	links := map[link]*Inode{}
	for _, n := range s.byKey {
		for _, l := range n.links {
			links[l] = n
		}
		if n.refs <= 0 {
			t.Errorf("%v is in the table with %d references", n.key, n.refs)
		}
		if n.typ == unix.S_IFDIR && len(n.links) > 1 {
			t.Errorf("directory %v has %d names", n.key, len(n.links))
		}
	}
	for _, n := range s.byKey {
		if n.dir == nil {
			continue
		}
		if n.refs < len(n.dir.kids) {
			t.Errorf("%v has %d references and %d names below", n.key, n.refs, len(n.dir.kids))
		}
		for name, kid := range n.dir.kids {
			if links[link{n, name}] != kid {
				t.Errorf("%s in %v leads to %v, which doesn't know it", name, n.key, kid.key)
			}
			delete(links, link{n, name})
		}
	}
	for l, n := range links {
		t.Errorf("%v believes to be %s in %v", n.key, l.name, l.parent.key)
	}
}
