package view

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// TestDataOrder: many write to one file at once; the writes as the module saw them, done one after the other, give
// the file as it is.
func TestDataOrder(t *testing.T) {
	spy := &spy{}
	m := attach(t, newServer(t, spy), Options{Cached: true, Ordered: true})
	put(t, m.path("f"), "")
	spy.set(nil)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			f, err := os.OpenFile(m.path("f"), os.O_RDWR, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for i := range 100 {
				f.WriteAt(fmt.Appendf(nil, "%d-%02d", w, i), int64(i%7)*3)
				if i%10 == w {
					f.Truncate(int64(i % 20))
				}
			}
		})
	}
	all.Wait()
	var model []byte
	grow := func(n int64) {
		for int64(len(model)) < n {
			model = append(model, 0)
		}
	}
	calls, results := spy.history()
	for i, c := range calls {
		r := results[i]
		switch c.Op {
		case hooks.OpWrite:
			grow(c.Offset + r.N)
			copy(model[c.Offset:], c.Data[:r.N])
		case hooks.OpTruncate:
			grow(c.Attr.Size)
			model = model[:c.Attr.Size]
		default:
			continue
		}
		want(t, "size in the result", r.Stat.Size, int64(len(model)))
	}
	if got := []byte(get(t, m.back+"/f")); !bytes.Equal(got, model) {
		t.Errorf("file   %q\nreplay %q", got, model)
	}
}

// TestAppendOrder: appending writes tell where they went.
func TestAppendOrder(t *testing.T) {
	spy := &spy{}
	m := attach(t, newServer(t, spy), Options{Cached: true, Ordered: true})
	out, err := exec.Command("/bin/bash", "-c", fmt.Sprintf(
		"for p in 1 2 3 4; do (for i in {1..50}; do echo $p-$i >> %s; done) & done; wait", m.path("log"))).CombinedOutput()
	if err != nil {
		t.Fatal(string(out))
	}
	log := get(t, m.back+"/log")
	want(t, "lines", bytes.Count([]byte(log), []byte("\n")), 200)
	end := int64(0)
	calls, _ := spy.history()
	for _, c := range calls {
		if c.Op == hooks.OpWrite {
			want(t, "offset", c.Offset, end)
			want(t, "data", string(c.Data), log[c.Offset:c.Offset+int64(len(c.Data))])
			end += int64(len(c.Data))
		}
	}
}

// TestNameOrder: many rename at once; the renames as the module saw them give the names as they are.
func TestNameOrder(t *testing.T) {
	spy := &spy{}
	m := attach(t, newServer(t, spy), Options{Cached: true, Ordered: true})
	for i := range 4 {
		put(t, m.path(fmt.Sprint("n", i)), fmt.Sprint("n", i))
	}
	spy.set(nil)
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() {
			for i := range 60 {
				a, b := fmt.Sprint("n", (w+i)%4), fmt.Sprint("n", (w*i+1)%6)
				switch i % 4 {
				case 0:
					os.Link(m.path(a), m.path(b))
				case 1:
					unix.Unlink(m.path(b))
				case 2:
					os.WriteFile(m.path(b), []byte(b), 0o600)
				default:
					os.Rename(m.path(a), m.path(b))
				}
			}
		})
	}
	all.Wait()
	names := map[string]hooks.File{}
	for i := range 4 {
		names[fmt.Sprint("n", i)] = nil // known by their first use
	}
	calls, results := spy.history()
	for i, c := range calls {
		if results[i].Errno != 0 {
			continue
		}
		switch c.Op {
		case hooks.OpCreate:
			names[c.Name] = results[i].File
		case hooks.OpLink:
			names[c.NewName] = c.File
		case hooks.OpUnlink:
			delete(names, c.Name)
		case hooks.OpRename:
			if c.NewFile != nil && c.NewFile.Key() == c.File.Key() {
				continue
			}
			delete(names, c.Name)
			names[c.NewName] = c.File
		}
	}
	list, err := os.ReadDir(m.back)
	must(t, err)
	want(t, "names", len(list), len(names))
	for _, e := range list {
		f, ok := names[e.Name()]
		if !ok {
			t.Errorf("%s isn't among the replayed names", e.Name())
		} else if f != nil {
			want(t, e.Name(), m.keyOf(t, m.back+"/"+e.Name()), f.Key())
		}
	}
}

// TestKilledWaiter: who waits for a lock that a module's Post holds can be killed at once.
func TestKilledWaiter(t *testing.T) {
	spy := &spy{}
	m := attach(t, newServer(t, spy), Options{Cached: true, Ordered: true})
	must(t, os.Mkdir(m.path("a"), 0o755))
	must(t, os.Mkdir(m.path("b"), 0o755))
	entered, leave := make(chan bool), make(chan bool)
	var once sync.Once
	spy.let(nil, func(c *hooks.Call, _ *hooks.Result) {
		if c.Op == hooks.OpMkdir {
			once.Do(func() { entered <- true; <-leave })
		}
	})
	first := exec.Command("/bin/bash", "-c", "mkdir "+m.path("a/x"))
	must(t, first.Start())
	<-entered
	second := exec.Command("/bin/bash", "-c", "exec mkdir "+m.path("b/x"))
	must(t, second.Start())
	time.Sleep(100 * time.Millisecond) // it waits by now
	must(t, second.Process.Signal(syscall.SIGCONT))
	must(t, second.Process.Kill())
	died := make(chan error)
	go func() { died <- second.Wait() }()
	select {
	case <-died:
	case <-time.After(3 * time.Second):
		t.Error("the killed waiter goes on waiting")
		defer func() { <-died }()
	}
	leave <- true
	must(t, first.Wait())
	must(t, unix.Stat(m.back+"/a/x", &unix.Stat_t{}))
	wantErrno(t, "the killed one's folder", unix.Stat(m.back+"/b/x", &unix.Stat_t{}), unix.ENOENT)
}

// shared is a writer for many.
type shared struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestPanic: a module that panics lets nothing through, and the view goes on.
func TestPanic(t *testing.T) {
	spy := &spy{}
	s := newServer(t, spy)
	told := &shared{}
	s.errors = told
	m := attach(t, s, Options{Cached: true, Ordered: true})
	furnish(t, m.back)
	must(t, os.Chmod(m.back+"/file", 0o644))
	before := listing(t, m.back)
	spy.let(func(*hooks.Call) { panic("on purpose") }, nil)
	for _, a := range attempts {
		if err := a.do(m); err == nil {
			t.Errorf("%v passes a module that panics", a.op)
		}
	}
	spy.let(nil, nil)
	want(t, "backing", listing(t, m.back), before)
	put(t, m.path("file"), "goes on")
	if !strings.Contains(told.String(), "on purpose") {
		t.Errorf("told: %q", told.String())
	}
}
