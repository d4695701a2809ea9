package view

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"klw/hooks"
)

// names is a module that notes by which names a file was known when it was opened.
type names struct {
	mu     sync.Mutex
	opened map[string][]string
}

func (*names) Info() hooks.Info {
	return hooks.Info{Name: "names", Description: "for tests", Monitors: hooks.Ops(hooks.OpOpen, hooks.OpUnlink, hooks.OpRename)}
}

func (n *names) Pre(c *hooks.Call) hooks.Verdict {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened[c.Op.String()] = sorted(c.File.Paths())
	return hooks.Allow
}

// surveyed is a view of a folder whose files were there before.
func surveyed(t *testing.T, back string, more ...Options) (*mounted, *names) {
	t.Helper()
	mod := &names{opened: map[string][]string{}}
	s := newServer(t, mod)
	m := attach(t, s, Options{Source: back})
	for _, o := range more {
		attach(t, s, o)
	}
	s.KnowAllNames()
	return m, mod
}

func (n *names) last(op string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.opened[op]
}

func (n *names) want(t *testing.T, op string, paths ...string) {
	t.Helper()
	if got := fmt.Sprint(n.last(op)); got != fmt.Sprint(sorted(paths)) {
		t.Errorf("%s: known as %s, want %q", op, got, paths)
	}
}

// plant makes a file with several names.
func plant(t *testing.T, dir string, list ...string) {
	t.Helper()
	for i, name := range list {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		if i == 0 {
			put(t, filepath.Join(dir, name), "text")
			continue
		}
		must(t, os.Link(filepath.Join(dir, list[0]), filepath.Join(dir, name)))
	}
}

// TestUnseenNames: all names of a file are known when it is opened, on every kind of file system, though nobody has
// looked at them.
func TestUnseenNames(t *testing.T) {
	for name, back := range backings(t) {
		t.Run(name, func(t *testing.T) {
			plant(t, back, "a/x", "b/c/d/y", "z")
			plant(t, back, "single")
			m, mod := surveyed(t, back)
			get(t, m.path("single"))
			mod.want(t, "open", "/single")
			want(t, "surveys for a single name", m.srv.survey.walks(), 0)
			get(t, m.path("a/x"))
			mod.want(t, "open", "/a/x", "/b/c/d/y", "/z")
			get(t, m.path("z"))
			want(t, "surveys", m.srv.survey.walks(), 1)
			m.srv.check(t)
		})
	}
}

// TestUnseenNamesElsewhere: names in another view count, names outside of all views don't, and neither costs a second
// walk.
func TestUnseenNamesElsewhere(t *testing.T) {
	base := t.TempDir()
	plant(t, base, "one/x", "two/y", "outside/z")
	plant(t, base, "one/alone", "outside/alone")
	m, mod := surveyed(t, base+"/one", Options{Source: base + "/two", Inside: "/two"}, Options{Source: base + "/two", Inside: "/again"})
	get(t, m.path("x"))
	mod.want(t, "open", "/x", "/two/y", "/again/y")
	get(t, m.path("alone"))
	mod.want(t, "open", "/alone")
	want(t, "surveys", m.srv.survey.walks(), 1)
	must(t, os.Link(base+"/outside/alone", base+"/two/new"))
	awaitLinks(t, m, "alone", 3)
	get(t, m.path("alone"))
	mod.want(t, "open", "/alone", "/two/new", "/again/new")
	want(t, "surveys after a new link", m.srv.survey.walks(), 2)
}

// TestUnseenNamesOfSpecial: what limits FIFOs and sockets hears all names that these had before, at whichever name they
// are looked at; a name outside of the views doesn't count.
func TestUnseenNamesOfSpecial(t *testing.T) {
	for name, back := range backings(t) {
		t.Run(name, func(t *testing.T) {
			must(t, os.MkdirAll(back+"/deep/down", 0o755))
			for kind, typ := range map[string]uint32{"fifo": unix.S_IFIFO, "sock": unix.S_IFSOCK} {
				must(t, unix.Mknod(back+"/"+kind, typ|0o666, 0))
				must(t, os.Link(back+"/"+kind, back+"/deep/down/"+kind))
				must(t, unix.Mknod(back+"/single"+kind, typ|0o666, 0))
			}
			m, _ := surveyed(t, back)
			m.srv.LimitSpecial("test", func(f hooks.File) uint32 { // the strictest of all names decides
				for _, p := range f.Paths() {
					if strings.HasPrefix(p, "/deep/down/") {
						return 0
					}
				}
				return mayAll
			})
			for _, name := range []string{"fifo", "sock"} {
				var st unix.Stat_t
				must(t, unix.Stat(m.path(name), &st))
				want(t, "mode of "+name, st.Mode&0o777, 0)
				must(t, unix.Stat(m.path("single"+name), &st))
				want(t, "mode of single"+name, st.Mode&0o777, 0o644)
			}
			wantErrno(t, "open", opens(m.path("fifo"), unix.O_RDWR|unix.O_NONBLOCK), unix.EACCES)
			must(t, opens(m.path("singlefifo"), unix.O_RDWR|unix.O_NONBLOCK))
			m.srv.check(t)
			m.srv.LimitSpecial("test", nil)
		})
	}
}

// awaitLinks waits until the kernel asks about a file again, and hears of its number of names.
func awaitLinks(t *testing.T, m *mounted, name string, nlink uint64) {
	t.Helper()
	eventually(t, name+" has more names", func() bool {
		var st unix.Stat_t
		must(t, unix.Stat(m.path(name), &st))
		return st.Nlink == nlink
	})
}

// TestUnseenNamesChange: names that change through a view and on the host stay right, without walks for the former.
func TestUnseenNamesChange(t *testing.T) {
	back := t.TempDir()
	plant(t, back, "a/x", "b/y")
	m, mod := surveyed(t, back)
	must(t, os.Rename(m.path("a/x"), m.path("b/z")))
	mod.want(t, "rename", "/a/x", "/b/y")
	must(t, os.Link(m.path("b/z"), m.path("a/w")))
	must(t, os.Rename(m.path("b"), m.path("c")))
	get(t, m.path("a/w"))
	mod.want(t, "open", "/a/w", "/c/y", "/c/z")
	must(t, os.Remove(m.path("c/y")))
	mod.want(t, "unlink", "/a/w", "/c/y", "/c/z")
	get(t, m.path("a/w"))
	mod.want(t, "open", "/a/w", "/c/z")
	must(t, os.Remove(filepath.Join(back, "c/z")))
	awaitLinks(t, m, "a/w", 1)
	get(t, m.path("a/w"))
	mod.want(t, "open", "/a/w")
	want(t, "surveys", m.srv.survey.walks(), 1)
	want(t, "kept", m.srv.survey.size(), 0)
}

// size is how much is kept.
func (y *survey) size() int {
	y.srv.mu.RLock()
	defer y.srv.mu.RUnlock()
	return len(y.kept)
}

// TestSurveyOfDeepFolders: however deep, with one descriptor.
func TestSurveyOfDeepFolders(t *testing.T) {
	back := t.TempDir()
	put(t, back+"/x", "text")
	fd, err := unix.Open(back, unix.O_PATH, 0)
	must(t, err)
	for range 300 {
		name := fmt.Sprintf("%0100d", 1)
		must(t, unix.Mkdirat(fd, name, 0o755))
		next, err := openat(fd, name, unix.O_PATH)
		must(t, err)
		unix.Close(fd)
		fd = next
	}
	must(t, unix.Linkat(unix.AT_FDCWD, back+"/x", fd, "y", 0))
	unix.Close(fd)
	m, mod := surveyed(t, back)
	get(t, m.path("x"))
	want(t, "names", len(mod.last("open")), 2)
}

// TestDirectoriesMoveDuringSurveys: a name can't be carried past a walk.
func TestDirectoriesMoveDuringSurveys(t *testing.T) {
	back := t.TempDir()
	plant(t, back, "a/x", "m/y")
	for i := range 500 {
		must(t, os.MkdirAll(fmt.Sprintf("%s/%d/%d", back, i, i), 0o755))
	}
	m, mod := surveyed(t, back)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				os.Rename(m.path("m"), m.path("499/m"))
				os.Rename(m.path("499/m"), m.path("m"))
			}
		}
	}()
	get(t, m.path("a/x"))
	want(t, "names", len(mod.last("open")), 2)
	close(stop)
	<-done
}

// TestNamesKnownAtRandom: whatever names there are before and whatever is done to them, at each opening all are known.
func TestNamesKnownAtRandom(t *testing.T) {
	base := t.TempDir()
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		back := filepath.Join(base, fmt.Sprint(round))
		name := rapid.StringMatching(`(a/|b/|a/c/|)[wxyz]`)
		for _, d := range []string{"a/c", "b"} {
			must(t, os.MkdirAll(filepath.Join(back, d), 0o755))
		}
		put(t, back+"/first", "text")
		for _, n := range rapid.SliceOfN(name, 0, 5).Draw(rt, "before") {
			os.Link(back+"/first", filepath.Join(back, n))
		}
		t.Run("", func(t *testing.T) {
			m, mod := surveyed(t, back)
			for range rapid.IntRange(1, 10).Draw(rt, "steps") {
				x, y := m.path(name.Draw(rt, "name")), m.path(name.Draw(rt, "name"))
				switch rapid.IntRange(0, 3).Draw(rt, "step") {
				case 0:
					os.Link(x, y)
				case 1:
					os.Rename(x, y)
				case 2:
					os.Remove(x)
				case 3:
					m.srv.Close()
				}
			}
			get(t, m.path("first"))
			mod.want(t, "open", namesOf(t, m, "first")...)
			m.srv.check(t)
		})
	})
}

// namesOf gives the names that the backing has for a file.
func namesOf(t *testing.T, m *mounted, name string) (all []string) {
	t.Helper()
	for _, paths := range actual(t, m.back) {
		for _, p := range paths {
			if p == "./"+name {
				for _, q := range paths {
					all = append(all, q[1:])
				}
			}
		}
	}
	return all
}
