package conformance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/fsguard"
	"klw/internal/view"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "repeat the list of steps of this seed only")
	stepsFlag = flag.Int("steps", 20000, "steps for each kind of view, over all file systems")
)

// length is how many steps one list has.
const length = 400

// kinds are the ways in which views are served.
var kinds = []struct {
	name    string
	options view.Options
}{
	{"passthrough", view.Options{}},
	{"without", view.Options{NoPassthrough: true}},
	{"cached", view.Options{Cached: true}},
	{"ordered", view.Options{Cached: true, Ordered: true}},
}

// TestSame does random steps on views and on native file systems.
func TestSame(t *testing.T) {
	for j, b := range backings {
		t.Run(b.name, func(t *testing.T) {
			base, worked := b.mount(t), map[string]int{}
			for i, k := range kinds {
				t.Run(k.name, func(t *testing.T) {
					p := newPair(t, b.name, base, k.options)
					p.worked = worked
					first, lists := uint64(j*100000+i*1000+1), *stepsFlag/length/len(backings)+1
					if *seedFlag != 0 {
						first, lists = *seedFlag, 1
					}
					for seed := first; seed < first+uint64(lists) && !t.Failed(); seed++ {
						p.compare(seed)
					}
				})
			}
			for _, c := range calls {
				if worked[c.name] == 0 && c.weight > 0 && *stepsFlag >= 10000 && *seedFlag == 0 {
					t.Errorf("%s never worked: nothing was compared", c.name)
				}
			}
		})
	}
}

// TestDifferenceIsFound: a view that refuses something is told from the native file system, by the fewest steps.
func TestDifferenceIsFound(t *testing.T) {
	p := newPair(t, "native", t.TempDir(), view.Options{})
	p.module.Swap(bind(t, p.server, "application test\n@general\nfile / read execute\n")).Close()
	steps := newGen(1).steps(length)
	few := shrink(steps, func(list []step) bool { return p.differ(list) != "" })
	if text := p.differ(few); len(few) != 1 || !strings.Contains(text, "EACCES") {
		t.Errorf("found\n%s\n%s", listing(few), text)
	}
}

// TestSoakSame goes on with new seeds.
func TestSoakSame(t *testing.T) {
	limit, err := time.ParseDuration(os.Getenv("KLW_SOAK"))
	if err != nil {
		limit = time.Second
	}
	end := time.Now().Add(limit)
	seed := uint64(end.UnixNano())
	for i := 0; i == 0 || time.Now().Before(end) && !t.Failed(); i++ {
		b, k := backings[i%len(backings)], kinds[i/len(backings)%len(kinds)]
		t.Run(b.name+"/"+k.name, func(t *testing.T) {
			p := newPair(t, b.name, b.mount(t), k.options)
			for n := 0; n < 20 && time.Now().Before(end) && !t.Failed(); n++ {
				seed++
				p.compare(seed)
			}
		})
	}
}

// pair is a folder and a view of another folder on one file system.
type pair struct {
	t                    *testing.T
	native, behind, view string
	backing              string
	options              view.Options
	server               *view.Server
	shown                *view.View
	module               *fsguard.Module
	runs                 int
	worked               map[string]int // calls that were done without an error
}

func newPair(t *testing.T, backing, base string, o view.Options) *pair {
	dir, err := os.MkdirTemp(base, "")
	check(t, err)
	p := &pair{t: t, native: dir + "/native", behind: dir + "/behind", view: t.TempDir(), backing: backing, options: o}
	check(t, os.Chmod(dir, 0o755))
	check(t, os.Mkdir(p.native, 0o755))
	check(t, os.Mkdir(p.behind, 0o755))
	s, guard := guarded(t, allowAll)
	o.Source = p.behind
	p.shown = attach(t, s, o, p.view)
	p.server, p.module = s, guard()
	t.Cleanup(func() { p.module.Rules().Close() })
	return p
}

// compare does the list of a seed on both.
func (p *pair) compare(seed uint64) {
	p.t.Helper()
	steps := newGen(seed).steps(length)
	if p.differ(steps) == "" {
		return
	}
	few := shrink(steps, func(list []step) bool { return p.differ(list) != "" })
	text := p.differ(few)
	p.t.Errorf("seed %d differs: shrunk to\n%s\n%s", seed, listing(few), text)
}

func listing(steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "%3d %v\n", i, s)
	}
	return b.String()
}

// differ does steps on fresh trees and tells the first difference, "" if there is none.
func (p *pair) differ(steps []step) string {
	p.runs++ // a name of its own: what the host changes shows after a second only
	name := strconv.Itoa(p.runs)
	native, behind := filepath.Join(p.native, name), filepath.Join(p.behind, name)
	for _, dir := range []string{native, behind} {
		furnish(p.t, dir)
		defer os.RemoveAll(dir)
	}
	var a, b report
	finished := make(chan bool)
	go func() {
		defer close(finished)
		a = work(p.t, job{Root: native, Steps: steps})
	}()
	b = work(p.t, job{Root: filepath.Join(p.view, name), Behind: behind, Steps: steps})
	<-finished
	for i, s := range steps {
		if p.worked != nil && strings.HasPrefix(b.Results[i], "ok") {
			p.worked[s.Op]++
		}
		if x, y := a.Results[i], b.Results[i]; x != y && !p.tolerated(steps[i], x, y) {
			return fmt.Sprintf("step %d: %v\n%s", i, steps[i], versus(x, y))
		}
	}
	if a.Final != b.Final {
		return "at the end\n" + versus(a.Final, b.Final)
	}
	if tree := a.Final[:min(len(a.Final), len(b.Behind))]; tree != b.Behind {
		return "behind the view\n" + versus(tree, b.Behind)
	}
	return ""
}

// versus shows the lines that differ.
func versus(native, view string) string {
	a, b := strings.Split(native, "\n"), strings.Split(view, "\n")
	var out strings.Builder
	for _, l := range a {
		if !slices.Contains(b, l) {
			fmt.Fprintln(&out, "  native", l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			fmt.Fprintln(&out, "  view  ", l)
		}
	}
	return out.String()
}

// furnish makes the tree that steps begin with: a shared folder with a set group, a sticky one, a private one.
func furnish(t testing.TB, dir string) {
	check(t, os.Mkdir(dir, 0o755))
	check(t, os.Chmod(dir, 0o777))
	for _, d := range []struct {
		name     string
		mode     uint32
		uid, gid int
	}{
		{"d", 0o755, 1001, 1001}, {"d/d", 0o777, 1002, 2000}, {"e", 0o775, 0, 2000}, {"s", 0o2777, 1001, 2000}, {"t", 0o1777, 0, 0}, {"p", 0o700, 1001, 1001},
	} {
		path := filepath.Join(dir, d.name)
		check(t, os.Mkdir(path, 0o755))
		check(t, os.Chown(path, d.uid, d.gid))
		check(t, unix.Chmod(path, d.mode))
	}
	for name, owner := range map[string]int{"a": 0, "b": 1001, "d/a": 1002, "s/a": 1001} {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, []byte("content of "+name), 0o644))
		check(t, os.Chown(path, owner, 2000))
		check(t, os.Chmod(path, 0o664))
		check(t, unix.Setxattr(path, "user.a", []byte(name), 0))
	}
}
