package hooks

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stages of a call at which it may be held up.
const (
	inPre = iota
	inOperation
	inPost
)

// TestUnregisterWaits holds a call up in each stage: Unregister returns only when it is through, and no Pre is left
// without its Post.
func TestUnregisterWaits(t *testing.T) {
	for stage := range inPost + 1 {
		held, goOn := make(chan struct{}), make(chan struct{})
		hold := func(at int) {
			if at == stage {
				close(held)
				<-goOn
			}
		}
		posts := 0
		m := NewMaster(nil)
		p := &probe{name: "a", ops: Ops(OpOpen), note: func(string) {}}
		p.pre = func(*Call) Verdict { hold(inPre); return Allow }
		p.post = func(*Call, *Result) { hold(inPost); posts++ }
		if _, err := m.Register(module(p)); err != nil {
			t.Fatal(err)
		}
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			m.Run(&Call{Op: OpOpen}, func() Result { hold(inOperation); return Result{} })
		}()
		<-held
		out := make(chan error, 1)
		go func() { out <- m.Unregister("a") }()
		for m.Monitored(OpOpen) { // it is out of the stack at once
			time.Sleep(time.Millisecond)
		}
		select {
		case err := <-out:
			t.Errorf("stage %d: Unregister didn't wait", stage)
			out <- err
		case <-time.After(20 * time.Millisecond):
		}
		m.Run(&Call{Op: OpOpen}, func() Result { return Result{} }) // a new call doesn't enter, and doesn't wait
		close(goOn)
		if err := <-out; err != nil || posts != 1 {
			t.Errorf("stage %d: %v, %d posts", stage, err, posts)
		}
		<-ran
	}
}

// TestLateCall wants a call that read the stack before a module went, and comes to it after, not to enter.
func TestLateCall(t *testing.T) {
	m := NewMaster(nil)
	p := &probe{name: "a", ops: Ops(OpOpen), note: func(n string) { t.Error(n) }}
	if _, err := m.Register(module(p)); err != nil {
		t.Fatal(err)
	}
	old := m.stack.Load().byOp[OpOpen]
	if err := m.Unregister("a"); err != nil {
		t.Fatal(err)
	}
	if r := m.run(old, &Call{Op: OpOpen}, func() Result { return Result{N: 1} }); r.N != 1 {
		t.Error(r)
	}
}

// TestNestedCallWhileUnregistering wants a call that a call inside waits for to get through meanwhile.
func TestNestedCallWhileUnregistering(t *testing.T) {
	m := NewMaster(nil)
	if _, err := m.Register(quietModule{Ops(OpOpen)}); err != nil {
		t.Fatal(err)
	}
	out := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(&Call{Op: OpOpen}, func() Result {
			go func() { out <- m.Unregister("quiet") }()
			for m.Monitored(OpOpen) {
				time.Sleep(time.Millisecond)
			}
			inner := make(chan struct{})
			go func() {
				defer close(inner)
				m.Run(&Call{Op: OpOpen}, func() Result { return Result{} })
			}()
			<-inner
			return Result{}
		})
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("the calls wait for each other")
	}
	if err := <-out; err != nil {
		t.Error(err)
	}
}

// TestRaces registers and unregisters while calls run: a module out of the registry is never entered, and each Pre
// that passed has its Post.
func TestRaces(t *testing.T) {
	m := NewMaster(nil)
	stop := make(chan struct{})
	var callers sync.WaitGroup
	var calls atomic.Int64
	for range 2 {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for {
				select {
				case <-stop:
					return
				default:
					m.Run(&Call{Op: OpOpen}, func() Result { calls.Add(1); return Result{} })
				}
			}
		}()
	}
	entered := int64(0)
	for range 100 {
		var in atomic.Bool
		var pres, posts, late atomic.Int64
		in.Store(true)
		p := &probe{name: "a", ops: Ops(OpOpen), note: func(string) {}}
		p.pre = func(*Call) Verdict {
			pres.Add(1)
			if !in.Load() {
				late.Add(1)
			}
			return Allow
		}
		p.post = func(*Call, *Result) {
			posts.Add(1)
			if !in.Load() {
				late.Add(1)
			}
		}
		if _, err := m.Register(module(p)); err != nil {
			t.Fatal(err)
		}
		for before := calls.Load(); calls.Load() < before+10; {
			time.Sleep(10 * time.Microsecond)
		}
		if err := m.Unregister("a"); err != nil {
			t.Fatal(err)
		}
		in.Store(false)
		if pres.Load() != posts.Load() || late.Load() != 0 {
			t.Fatalf("%d pres, %d posts, %d too late", pres.Load(), posts.Load(), late.Load())
		}
		entered += pres.Load()
	}
	close(stop)
	callers.Wait()
	if entered == 0 {
		t.Error("no call ever met the module")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
