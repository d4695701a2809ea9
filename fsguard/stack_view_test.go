package fsguard

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"klw/hooks"
	"klw/internal/policy"
)

// What the property A9 and G2 says is tried on the real thing: a mounted view, a stack of modules of every kind, real
// system calls of another process as several users.

// paths of the tree that each round begins with; those that end in / are directories. They meet each other's rules.
var stackTree = []string{"a/", "a/a", "a/b", "b/", "b/a/", "b/a/c", "b/b", "c"}

// stackAttempts are what is tried; a % is a path.
var stackAttempts = []string{"read %", "write %", "rdwr %", "rtrunc %", "list %", "creat %", "create %", "mkdir %", "symlink /c %",
	"unlink %", "rmdir %", "rename % %", "exchange % %", "link % %", "truncate %", "chmod %", "utimes %", "setxattr %", "getxattr %",
	"tmpfile %", "tmplink % %", "reopen %", "opath %", "fchmod %", "copyrange % %", "readlink %"}

// TestStackOnView puts random policies, with others stacked on them and circles, over a mounted view. What each call asked
// of the stack is asked of every module alone too: it is let through exactly if each lets it through, is told once if not,
// and then leaves the files as they were.
func TestStackOnView(t *testing.T) {
	g := serveOf(t, 0, "@general\nfile / read write execute\n", map[string]string{"proc/": ""})
	check(t, g.master.Unregister(Name))
	s := &stacked{guarded: g}
	passed, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		if !s.begin(rt) {
			return
		}
		defer s.end()
		for range 6 {
			attempt := drawAttempt(rt)
			uid := rapid.SampledFrom([]uint32{0, 1000}).Draw(rt, "uid")
			before := s.tree()
			result := tryAs(t, uid, g.mount, attempt)[0]
			yes, no, wrong := s.judge()
			if len(wrong) > 0 {
				rt.Fatalf("as %d: %s = %s: %s\n%s", uid, attempt, result, strings.Join(wrong, "\n"), s.policy)
			}
			if no > 0 && result == "ok" {
				rt.Fatalf("as %d: %s succeeded though a module refused\n%s", uid, attempt, s.policy)
			}
			if after := s.tree(); no > 0 && !strings.HasPrefix(attempt, "tmplink") && after != before {
				rt.Fatalf("as %d: %s was refused and has changed\n%sto\n%s%s", uid, attempt, before, after, s.policy)
			}
			passed, refused = passed+yes, refused+no
		}
	})
	if passed == 0 || refused == 0 {
		t.Errorf("%d calls were let through, %d refused: the test says nothing", passed, refused)
	}
}

// stacked is a view under random stacks.
type stacked struct {
	*guarded
	policy *policy.Policy
	bound  *Bound
	names  []string // of the modules, in stack order

	mu    sync.Mutex
	calls map[*hooks.Call]*judged
	done  []*judged
}

// judged is what every module said to a call alone, and what became of it.
type judged struct {
	op     hooks.Operation
	says   []syscall.Errno
	passed bool // all of them, in the stack
}

// begin makes the tree anew and puts a policy into force, unless that can't be bound.
func (s *stacked) begin(t *rapid.T) (ok bool) {
	for _, name := range []string{"a", "b", "c", "d"} {
		must(os.RemoveAll(filepath.Join(s.source, name)))
	}
	for _, name := range stackTree {
		if path := filepath.Join(s.source, name); strings.HasSuffix(name, "/") {
			must(os.Mkdir(path, 0o777))
		} else {
			must(os.WriteFile(path, []byte(name), 0o666))
		}
	}
	openUp(s.t, s.source, 0)
	return s.force(drawStack(t))
}

// force puts a policy into force, unless it can't be bound.
func (s *stacked) force(p *policy.Policy) (ok bool) {
	s.policy = p
	bound, _, err := BindPolicy(s.policy, s.server, people)
	if err != nil {
		return false
	}
	s.bound, s.names, s.calls, s.done = bound, nil, map[*hooks.Call]*judged{}, nil
	modules := []hooks.Module{&witness{s}}
	for _, set := range bound.Files {
		modules = append(modules, NewModule(set.Module, set.Rules))
	}
	if bound.Circles != nil {
		modules = append(modules, NewCircleModule(bound.Circles))
	}
	for _, m := range append(modules, &last{s}) {
		_, err := s.master.Register(m)
		must(err)
		s.names = append(s.names, m.Info().Name)
	}
	return true
}

func (s *stacked) end() {
	for _, name := range slices.Backward(s.names) {
		must(s.master.Unregister(name))
	}
	s.bound.Close()
}

// judge compares what became of each call since it was asked last with what the modules said alone.
func (s *stacked) judge() (passed, refused int, wrong []string) {
	told := s.told()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.done {
		i := slices.IndexFunc(j.says, func(e syscall.Errno) bool { return e != 0 })
		if j.passed != (i < 0) {
			wrong = append(wrong, fmt.Sprintf("%s passed: %v, though the modules alone said %v", j.op, j.passed, j.says))
		}
		if i < 0 {
			passed++
		} else {
			refused++
		}
	}
	if len(told) != refused {
		wrong = append(wrong, fmt.Sprintf("%d calls refused, told %q", refused, told))
	}
	s.done = nil
	return passed, refused, wrong
}

// witness is the first module of the stack. It allows everything, and asks all others before the stack does.
type witness struct{ *stacked }

func (w *witness) Info() hooks.Info { return hooks.Info{Name: "witness", Monitors: monitored} }

func (w *witness) Pre(c *hooks.Call) hooks.Verdict {
	j := &judged{op: c.Op}
	for _, set := range w.bound.Files {
		j.says = append(j.says, set.decide(c).Errno)
	}
	if w.bound.Circles != nil {
		alone := NewCircleModule(w.bound.Circles)
		j.says = append(j.says, alone.Pre(c).Errno)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[c] = j
	return hooks.Allow
}

// Post ends the call.
func (w *witness) Post(c *hooks.Call, _ *hooks.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, w.calls[c])
	delete(w.calls, c)
}

// last is the last module of the stack: who comes here has passed all others.
type last struct{ *stacked }

func (l *last) Info() hooks.Info { return hooks.Info{Name: "last", Monitors: monitored} }

func (l *last) Pre(c *hooks.Call) hooks.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[c].passed = true
	return hooks.Allow
}

// tree describes all that is there.
func (s *stacked) tree() string {
	var b strings.Builder
	must(filepath.WalkDir(s.source, func(p string, d os.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(p, &st)
		}
		n, _ := unix.Llistxattr(p, nil)
		fmt.Fprintf(&b, "%s %o %d %d %d %d\n", p, st.Mode, st.Size, st.Nlink, st.Mtim.Nano(), n)
		return err
	}))
	return b.String()
}

// drawStack gives a policy with none to two stacked on it, and circles.
func drawStack(t *rapid.T) *policy.Policy {
	wide := func(p *policy.Policy) policy.RuleSet { // else nearly everything is refused
		if rapid.Bool().Draw(t, "wide") && !slices.ContainsFunc(p.General.Files, func(r policy.FileRule) bool { return r.Path == "/" }) {
			p.General.Files = append(p.General.Files, policy.FileRule{Path: "/", Perm: policy.Read | policy.Write | policy.Execute, Pos: policy.Pos{File: "p", Line: 99}})
		}
		return p.RuleSet
	}
	p := &policy.Policy{RuleSet: wide(drawPolicy(t))}
	for i := range rapid.IntRange(0, 2).Draw(t, "layers") {
		p.Stack = append(p.Stack, policy.Layer{Name: fmt.Sprint("l", i), RuleSet: wide(drawPolicy(t))})
	}
	if rapid.Bool().Draw(t, "circles") {
		r := policy.Reserve{Path: "/" + strings.TrimSuffix(rapid.SampledFrom(stackTree).Draw(t, "reserved"), "/"), Perm: policy.Write, Pos: policy.Pos{File: "p", Line: 50}}
		if rapid.Bool().Draw(t, "read") {
			r.Perm |= policy.Read
		}
		p.Circles = []policy.Circle{{Owner: policy.User{ID: 1000, HasID: true}, Reserves: []policy.Reserve{r}}}
	}
	return p
}

// drawAttempt gives something to try.
func drawAttempt(t *rapid.T) string {
	attempt := rapid.SampledFrom(stackAttempts).Draw(t, "attempt")
	for strings.Contains(attempt, "%") {
		name := strings.TrimSuffix(rapid.SampledFrom(append([]string{"a/new", "d", "b/a/new"}, stackTree...)).Draw(t, "name"), "/")
		attempt = strings.Replace(attempt, "%", "/"+name, 1)
	}
	return attempt
}
