package guard_test

import (
	"testing"

	"klw/internal/control"
	"klw/internal/guard/guardtest"
	"klw/internal/policy"
)

// TestIdleRules: a rule that has decided, to allow or to refuse, is idle no more, until the policy is loaded again.
func TestIdleRules(t *testing.T) {
	f := guardtest.New(t, guardtest.Policy)
	withData(t, f)
	f.Run()
	c := f.Client()
	want := func(lines ...int) {
		t.Helper()
		var idle []policy.FileRule
		if err := c.Call(t.Context(), control.MethodPolicyIdle, nil, &idle); err != nil {
			t.Fatal(err)
		}
		ok := len(idle) == len(lines)
		for i := range lines {
			ok = ok && idle[i].Pos.Line == lines[i]
		}
		if !ok {
			t.Errorf("idle: %v, want lines %v", idle, lines)
		}
	}
	want(4, 5, 6)
	f.App.Do("read", "/secret/key")
	want(4, 6)
	f.App.Do("read", "/data/x")
	f.App.Do("read", "/open.txt")
	want()
	if _, err := load(t, c, f.Texts(guardtest.Policy)); err != nil {
		t.Fatal(err)
	}
	want(4, 5, 6)
}
