package netguard

import (
	"fmt"
	"strings"
	"testing"

	"klw/hooks"
	"klw/internal/policy"
)

// userPolicy gives user 33 what nobody else has.
func userPolicy(t testing.TB, w world) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.policy", []byte(w.ports.Replace(
		"application test\n@user 33\nsocket tcp connect :@T\nsocket udp connect :@U\n@user nobody\nsocket tcp connect :@A\n")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestUsersOwnRules(t *testing.T) {
	cgroup := newCgroup(t)
	inNetns(t, func() {
		w := newWorld(t, cgroup)
		r := &recorder{}
		m, err := New(Options{Policy: userPolicy(t, w), Cgroup: cgroup, Observe: r.observe,
			Users: func(name string) (uint32, error) {
				return map[string]uint32{"nobody": 65534, "33": 33, "34": 34}[name], nil
			}})
		if err == nil {
			err = m.Load()
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer m.Unload()
		// The socket is made by root and used by the user: the packets' owner is another than the caller.
		for _, c := range []struct {
			uid  int
			args string
			pass bool
		}{
			{33, "tcp 127.0.0.1:@T", true}, {33, "tcp [::1]:@T", true}, {33, "udp 127.0.0.1:@U", true}, {33, "udp [::1]:@U", true},
			{33, "mptcp 127.0.0.1:@T", true}, {34, "mptcp 127.0.0.1:@T", false}, {33, "tcp 127.0.0.1:@A", false}, {65534, "tcp 127.0.0.1:@A", true}, {65534, "tcp 127.0.0.1:@T", false},
			{34, "tcp 127.0.0.1:@T", false}, {34, "udp 127.0.0.1:@U", false}, {0, "tcp 127.0.0.1:@T", false},
		} {
			_, err := w.try(t, "connect as another user", fmt.Sprintf("%d %s", c.uid, c.args))
			if c.pass && err != nil || !c.pass && !refused(err) {
				t.Errorf("user %d, %s: %v", c.uid, c.args, err)
			}
			if !c.pass {
				r.wait(t, "of the user", func(call hooks.Call, _ string) bool { return call.Caller.UID == uint32(c.uid) })
			}
		}
		if _, err := w.try(t, "mptcp as a user", "33 127.0.0.1:@T"); err != nil {
			t.Errorf("MPTCP of a user with a rule: %v", err)
		}
	})
}

func TestUnknownUsers(t *testing.T) {
	p, err := policy.Parse("test.policy", []byte("application test\n@user nobody\nsocket tcp connect :1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewRules(p, nil); err == nil || !strings.Contains(err.Error(), "test.policy:2") {
		t.Errorf("a name that nobody can look up: %v", err)
	}
	p.PerUser[0].User = policy.User{ID: AnyUser, HasID: true}
	if _, err := NewRules(p, nil); err == nil {
		t.Error("a uid that means everybody")
	}
}

// TestAnswers: a server may answer who has spoken to it, and speak to nobody else.
func TestAnswers(t *testing.T) {
	cgroup := newCgroup(t)
	inNetns(t, func() {
		w := newWorld(t, cgroup)
		m, _ := load(t, cgroup, parse(t, "socket udp listen :*\n"))
		for _, bind := range []string{"127.0.0.1:0", "[::]:0"} {
			if _, err := w.try(t, "udp answer", bind); err != nil {
				t.Errorf("answer from %s: %v", bind, err)
			}
		}
		if _, err := w.try(t, "udp sendto", "127.0.0.1:@U"); !refused(err) {
			t.Errorf("it speaks to others too: %v", err)
		}
		if s, err := m.Stats(); err != nil || s.Refused != 1 || s.Lost != 0 {
			t.Errorf("%+v, %v; want one refusal", s, err)
		}
	})
}
