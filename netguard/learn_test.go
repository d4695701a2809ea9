package netguard

import (
	"fmt"
	"strings"
	"testing"

	"klw/internal/policy"
	"klw/internal/policy/learn"
)

// learnable are attempts that some policy can allow.
var learnable = [][2]string{
	{"tcp connect", "127.0.0.1:@T"}, {"tcp connect", "[::1]:@T"}, {"mptcp connect", "127.0.0.1:@A"}, {"tcp fast open by sendto", "127.0.0.1:@T"},
	{"tcp by io_uring", "127.0.0.1:@T"}, {"udp connect", "127.0.0.1:@U"}, {"udp sendto", "[::1]:@U"}, {"udp sendmmsg", "127.0.0.1:@B"},
	{"udp by io_uring", "127.0.0.1:@B"}, {"connect as another user", "33 tcp 127.0.0.1:@A"}, {"listen without bind", ""},
	{"listen on a chosen port", "127.0.0.1:0"}, {"udp receive", "127.0.0.1:7001"}, {"udp answer", "127.0.0.1:7002"},
	{"bind", "tcp 0.0.0.0:7003"}, {"unix connect", "@klw/stream"},
}

// TestLearnedSockets: while it learns everything passes and is noted; the rules that are made of it allow that again, and
// nothing else.
func TestLearnedSockets(t *testing.T) {
	cgroup := newCgroup(t)
	inNetns(t, func() {
		w := newWorld(t, cgroup)
		empty := parse(t, "socket tcp listen :1\n")
		m, err := New(Options{Policy: empty, Cgroup: cgroup, Learn: true})
		if err == nil {
			err = m.Load()
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer m.Unload()
		for _, a := range learnable {
			if _, err := w.try(t, a[0], a[1]); refused(err) {
				t.Errorf("while it learns, %s %s is refused", a[0], a[1])
			}
		}
		if _, err := w.try(t, "socket", "2 3 1"); refused(err) {
			t.Error("while it learns, a raw socket is refused")
		}
		if err := m.Replace(empty); err != nil { // a load doesn't end it
			t.Error(err)
		}
		if _, err := w.try(t, "tcp connect", "127.0.0.1:@T"); err != nil {
			t.Error("after a load:", err)
		}
		used, err := m.Used()
		if s, statsErr := m.Stats(); err != nil || statsErr != nil || used.Lost != 0 || used.Unlisted != len(used.Sockets) || s.Refused != 0 {
			t.Errorf("%v, %v: %d uses, %d unlisted, %d lost, %d refused", err, statsErr, len(used.Sockets), used.Unlisted, used.Lost, s.Refused)
		}
		learned := policyOf(t, empty, used.Sockets)
		if err := m.Replace(learned); err != nil {
			t.Error(err)
		}
		if err := m.Enforce(); err != nil {
			t.Error(err)
		}
		for _, a := range learnable {
			if _, err := w.try(t, a[0], a[1]); refused(err) {
				t.Errorf("under the learned policy %s %s is refused:\n%s", a[0], a[1], learned)
			}
		}
		for _, a := range [][2]string{
			{"tcp connect", "[::1]:@A"}, {"udp connect", "[::1]:@B"}, {"connect as another user", "33 tcp 127.0.0.1:@T"},
			{"bind", "tcp 0.0.0.0:7004"}, {"unix seqpacket", "@klw/seqpacket"}, {"socket", "2 3 1"},
		} {
			if _, err := w.try(t, a[0], a[1]); !refused(err) {
				t.Errorf("under the learned policy %s %s: %v\n%s", a[0], a[1], err, learned)
			}
		}
		if err := m.Learn(); err != nil {
			t.Error(err)
		}
		if again, err := m.Used(); err != nil || len(again.Sockets) != 0 {
			t.Errorf("%v: what was learned before isn't forgotten: %+v", err, again)
		}
	})
}

// policyOf makes a policy of what was used, as the guard does.
func policyOf(t *testing.T, old *policy.Policy, sockets []learn.Socket) *policy.Policy {
	proposal, err := learn.Build(learn.Uses{Sockets: sockets}, learn.Options{
		Rules: old.RuleSet,
		Name:  func(uid uint32) policy.User { return policy.User{ID: uid, HasID: true} },
	})
	if err != nil {
		t.Error(err)
		return old
	}
	text := learn.Merge(old.String(), old, proposal)
	p, err := policy.Parse("learned", []byte(text))
	if err != nil {
		t.Errorf("%v:\n%s", err, text)
		return old
	}
	return p
}

// TestLearningHasBounds: what finds no room is counted.
func TestLearningHasBounds(t *testing.T) {
	cgroup := newCgroup(t)
	inNetns(t, func() {
		w := newWorld(t, cgroup)
		m, err := New(Options{Policy: parse(t, "socket tcp listen :1\n"), Cgroup: cgroup, Learn: true})
		if err == nil {
			err = m.Load()
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer m.Unload()
		most := int(m.kernel.Uses.MaxEntries())
		for i := range most {
			key := rawUse{UID: uint32(i) + 1, Op: opBind}
			if err := m.kernel.Uses.Put(&key, uint32(1)); err != nil {
				t.Error(err)
				return
			}
		}
		if _, err := w.try(t, "tcp connect", "127.0.0.1:@T"); err != nil {
			t.Error("it is refused when there is no room:", err)
		}
		used, err := m.Used()
		if err != nil || len(used.Sockets) != most || used.Lost == 0 {
			t.Error(err, len(used.Sockets), fmt.Sprint("lost ", used.Lost))
		}
	})
}

func TestUsesInWords(t *testing.T) {
	s, _ := (&rawUse{Op: opSocket, Family: 2, Type: 3, Protocol: 1}).socket()
	if s.Rule.Protocol != 0 || !strings.HasPrefix(s.Text, "socket family 2 type 3 protocol 1") {
		t.Errorf("%+v", s)
	}
}
