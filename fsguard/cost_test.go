package fsguard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"klw/hooks"
)

// many makes a module with n rules besides the ones that count.
func many(tb testing.TB, n int) *Module {
	var b strings.Builder
	b.WriteString("@general\nfile /srv read\nfile /srv/www/site read write\n")
	for i := range n {
		fmt.Fprintf(&b, "file /srv/www/d%d/x%d read\n", i%100, i)
	}
	return guard(tb, b.String())
}

// call is one that is allowed, by a rule three components deep.
func call() *hooks.Call {
	return &hooks.Call{Op: hooks.OpOpen, Caller: hooks.Caller{UID: 33}, File: file("/srv/www/site/images/logo.png")}
}

// TestNoGarbage wants an allowed call without allocations of ours.
func TestNoGarbage(t *testing.T) {
	m, c := many(t, 1000), call()
	create := &hooks.Call{Op: hooks.OpCreate, Dir: dir("/srv/www/site"), Name: "new", Flags: 1}
	n := testing.AllocsPerRun(100, func() {
		if m.Pre(c).Refused() || m.Pre(create).Refused() {
			t.Fatal("refused")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestCostOfRules wants 10,000 rules to cost what 10 cost, within a tenth: the best of interleaved rounds counts.
func TestCostOfRules(t *testing.T) {
	few, lots, c := many(t, 10), many(t, 10_000), call()
	const calls = 20_000
	round := func(m *Module) float64 {
		begin := time.Now()
		for range calls {
			m.Pre(c)
		}
		return float64(time.Since(begin).Nanoseconds()) / calls
	}
	best := [2]float64{1e9, 1e9}
	for range 200 {
		best[0], best[1] = min(best[0], round(few)), min(best[1], round(lots))
		if best[1] < 1.1*best[0] {
			t.Logf("%.0f and %.0f ns", best[0], best[1])
			return
		}
	}
	t.Errorf("10 rules %.0f ns, 10000 rules %.0f ns", best[0], best[1])
}

func BenchmarkPre(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, c := many(b, n), call()
			b.ReportAllocs()
			for b.Loop() {
				m.Pre(c)
			}
		})
	}
}

// BenchmarkMaster is the module in its master, as a server asks it.
func BenchmarkMaster(b *testing.B) {
	m, c := hooks.NewMaster(nil), call()
	if _, err := m.Register(many(b, 1000)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Run(c, func() hooks.Result { return hooks.Result{} })
	}
}
