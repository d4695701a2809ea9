package hooks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// probe is a module that notes what it is asked and answers as it is told.
type probe struct {
	name string
	ops  Set
	perm bool
	note func(string)
	pre  func(*Call) Verdict
	post func(*Call, *Result)
}

func (p *probe) Info() Info {
	return Info{Name: p.name, Description: "of " + p.name, Monitors: p.ops, Permanent: p.perm}
}

// both, onlyPre and onlyPost show the probe to the master with what it has.
type (
	both struct {
		*probe
		asker
		teller
	}
	asker  struct{ p *probe }
	teller struct{ p *probe }
)

func (a asker) Pre(c *Call) Verdict {
	a.p.note("pre " + a.p.name)
	if a.p.pre != nil {
		return a.p.pre(c)
	}
	return Allow
}

func (t teller) Post(c *Call, r *Result) {
	t.p.note(fmt.Sprintf("post %s %d %d", t.p.name, r.Errno, r.N))
	if t.p.post != nil {
		t.p.post(c, r)
	}
}

func module(p *probe) Module { return both{p, asker{p}, teller{p}} }

func preOnly(p *probe) Module {
	return struct {
		*probe
		asker
	}{p, asker{p}}
}

func postOnly(p *probe) Module {
	return struct {
		*probe
		teller
	}{p, teller{p}}
}

// bench is a master whose doings are noted.
type bench struct {
	t *testing.T
	*Master
	notes []string
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t}
	b.Master = NewMaster(func(c *Call, i Info, v Verdict) {
		b.note(fmt.Sprintf("refused by %s (%d): %v %d %s", i.Name, i.Monitors, c.Op, v.Errno, v.Rule))
	})
	return b
}

func (b *bench) note(s string) { b.notes = append(b.notes, s) }

func (b *bench) register(m Module) ID {
	b.t.Helper()
	id, err := b.Register(m)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

func (b *bench) run(c Call, res Result) Result {
	b.notes = nil
	return b.Run(&c, func() Result { b.note("do"); return res })
}

func (b *bench) want(notes ...string) {
	b.t.Helper()
	if !slices.Equal(b.notes, notes) {
		b.t.Errorf("%s\nwant %s", strings.Join(b.notes, ", "), strings.Join(notes, ", "))
	}
}

func TestOrder(t *testing.T) {
	b := newBench(t)
	ops := Ops(OpOpen, OpUnlink)
	b.register(module(&probe{name: "a", ops: ops, note: b.note}))
	b.register(preOnly(&probe{name: "b", ops: ops, note: b.note}))
	b.register(postOnly(&probe{name: "c", ops: ops, note: b.note}))
	b.register(module(&probe{name: "d", ops: Ops(OpUnlink), note: b.note}))
	if r := b.run(Call{Op: OpOpen}, Result{Errno: 5, N: 7}); r.Errno != 5 || r.N != 7 {
		t.Error(r)
	}
	b.want("pre a", "pre b", "do", "post c 5 7", "post a 5 7")
	b.run(Call{Op: OpUnlink}, Result{})
	b.want("pre a", "pre b", "pre d", "do", "post d 0 0", "post c 0 0", "post a 0 0")
	b.run(Call{Op: OpRead}, Result{})
	b.want("do")
}

func TestFirstRefusal(t *testing.T) {
	b := newBench(t)
	refuse := func(e syscall.Errno) func(*Call) Verdict {
		return func(*Call) Verdict { return Verdict{Errno: e, Rule: "p:1"} }
	}
	ops := Ops(OpOpen)
	b.register(module(&probe{name: "a", ops: ops, note: b.note}))
	b.register(postOnly(&probe{name: "b", ops: ops, note: b.note}))
	b.register(module(&probe{name: "c", ops: ops, note: b.note, pre: refuse(syscall.EXDEV)}))
	b.register(module(&probe{name: "d", ops: ops, note: b.note, pre: refuse(syscall.EACCES)}))
	b.register(postOnly(&probe{name: "e", ops: ops, note: b.note}))
	if r := b.run(Call{Op: OpOpen}, Result{N: 1}); r != (Result{Errno: syscall.EXDEV}) {
		t.Error(r)
	}
	b.want("pre a", "pre c", fmt.Sprintf("refused by c (%d): open 18 p:1", ops), "post b 18 0", "post a 18 0")
	var counts []string
	for _, e := range b.Modules() {
		counts = append(counts, fmt.Sprintf("%d %s %d %d", e.ID, e.Name, e.Calls, e.Refused))
	}
	if got := strings.Join(counts, ", "); got != "1 a 1 0, 2 b 1 0, 3 c 1 1, 4 d 0 0, 5 e 0 0" {
		t.Error(got)
	}
}

// TestParameters wants later modules and the operation to see what a Pre changed, and a Post's changes to reach nobody.
func TestParameters(t *testing.T) {
	b := newBench(t)
	ops := Ops(OpCreate)
	b.register(module(&probe{name: "a", ops: ops, note: b.note,
		pre: func(c *Call) Verdict { c.Mode = 0o600; return Allow }}))
	b.register(module(&probe{name: "b", ops: ops, note: b.note,
		pre:  func(c *Call) Verdict { b.note(fmt.Sprintf("%o", c.Mode)); return Allow },
		post: func(_ *Call, r *Result) { r.Errno, r.N = 1, 99 }}))
	c := Call{Op: OpCreate, Mode: 0o666}
	r := b.Run(&c, func() Result { return Result{N: int64(c.Mode)} })
	if r != (Result{N: 0o600}) {
		t.Error(r)
	}
	b.want("pre a", "pre b", "600", "post b 0 384", "post a 0 384")
}

func TestRegistry(t *testing.T) {
	b := newBench(t)
	if id := b.register(module(&probe{name: "a"})); id != 1 {
		t.Error(id)
	}
	b.register(module(&probe{name: "b", perm: true}))
	if _, err := b.Register(module(&probe{name: "a"})); !errors.Is(err, ErrDuplicate) {
		t.Error(err)
	}
	if err := b.Close(); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "(2)") {
		t.Error(err)
	}
	for _, f := range []func(string) error{b.Unregister, b.Unload} {
		if err := f("x"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
	if err := b.Unload("b"); !errors.Is(err, ErrPermanent) {
		t.Error(err)
	}
	if err := b.Unload("a"); err != nil {
		t.Error(err)
	}
	if id := b.register(module(&probe{name: "a"})); id != 3 {
		t.Errorf("number %d is used again", id)
	}
	if err := errors.Join(b.Unregister("a"), b.Unregister("b"), b.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	if _, err := b.Register(module(&probe{name: "c"})); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// kernel is a module whose rules the kernel asks.
type kernel struct {
	*probe
	load, unload error
}

func (k *kernel) Load() error   { k.note("load"); return k.load }
func (k *kernel) Unload() error { k.note("unload"); return k.unload }

func TestKernelModules(t *testing.T) {
	b := newBench(t)
	bad := errors.New("bad")
	k := &kernel{&probe{name: "k", ops: Ops(OpConnect), note: b.note}, bad, nil}
	if _, err := b.Register(k); !errors.Is(err, bad) || len(b.Modules()) != 0 {
		t.Error(err, b.Modules())
	}
	k.load, k.unload = nil, bad
	b.register(k)
	if b.Monitored(OpConnect) {
		t.Error("the kernel asks: nobody monitors here")
	}
	if err := b.Unregister("k"); !errors.Is(err, bad) || len(b.Modules()) != 1 {
		t.Error("still in force, but not listed:", err)
	}
	k.unload = nil
	if err := b.Unregister("k"); err != nil || len(b.Modules()) != 0 {
		t.Error(err)
	}
	b.want("load", "load", "unload", "unload")
}

func TestMonitored(t *testing.T) {
	b := newBench(t)
	b.register(module(&probe{name: "a", ops: Ops(OpOpen)}))
	for _, op := range Operations() {
		if b.Monitored(op) != (op == OpOpen) {
			t.Error(op)
		}
	}
}

// TestNoGarbage wants calls without allocations, unless a Post gets a result.
func TestNoGarbage(t *testing.T) {
	b := newBench(t)
	quiet := func(string) {}
	b.register(quietModule{Ops(OpOpen)})
	b.register(postOnly(&probe{name: "other", ops: Ops(OpRead), note: quiet}))
	for _, op := range []Operation{OpOpen, opUnwatched} {
		c := &Call{Op: op}
		if n := testing.AllocsPerRun(100, func() { b.Run(c, func() Result { return Result{} }) }); n != 0 {
			t.Errorf("%v: %v allocations", op, n)
		}
	}
}

// opUnwatched is one that nobody monitors here.
const opUnwatched = OpLock

type quietModule struct{ ops Set }

func (q quietModule) Info() Info        { return Info{Name: "quiet", Monitors: q.ops} }
func (q quietModule) Pre(*Call) Verdict { return Allow }

func BenchmarkRun(b *testing.B) {
	for _, c := range []struct {
		name string
		mods []Module
	}{
		{"unmonitored", nil},
		{"pre", []Module{quietModule{Ops(OpOpen)}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := NewMaster(nil)
			for _, mod := range c.mods {
				if _, err := m.Register(mod); err != nil {
					b.Fatal(err)
				}
			}
			call := &Call{Op: OpOpen}
			b.ReportAllocs()
			for b.Loop() {
				m.Run(call, func() Result { return Result{} })
			}
		})
	}
}
