package conformance

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/fsguard"
	"klw/hooks"
	"klw/internal/policy"
	"klw/internal/view"
)

const allowAll = "application test\n@general\nfile / read write execute\n"

// newServer gives a server without modules.
func newServer(t testing.TB) *view.Server { return view.NewServer(hooks.NewMaster(nil)) }

// guarded gives a server whose views are to be under a policy, and what puts them there when they are attached.
func guarded(t testing.TB, text string) (*view.Server, func() *fsguard.Module) {
	master := hooks.NewMaster(nil)
	s := view.NewServer(master)
	return s, func() *fsguard.Module {
		m := fsguard.NewModule(fsguard.Name, bind(t, s, text))
		_, err := master.Register(m)
		check(t, err)
		return m
	}
}

// bind binds a policy to the views of a server.
func bind(t testing.TB, s *view.Server, text string) *fsguard.Rules {
	t.Helper()
	rules, err := tryBind(t, s, text)
	check(t, err)
	return rules
}

// tryBind is bind for a tree in which a link may be in a rule's way.
func tryBind(t testing.TB, s *view.Server, text string) (*fsguard.Rules, error) {
	t.Helper()
	p, err := policy.Parse("p", []byte(text))
	check(t, err)
	users, err := fsguard.Passwd(strings.NewReader("root:x:0:0::/:\n"))
	check(t, err)
	rules, _, err := fsguard.Bind(p.RuleSet, s, users)
	return rules, err
}

// attach shows a view at a folder.
func attach(t testing.TB, s *view.Server, o view.Options, point string) *view.View {
	t.Helper()
	if o.Inside == "" {
		o.Inside = "/"
	}
	o.Name, o.SelfUse = "test", true
	v, err := s.Add(o)
	check(t, err)
	check(t, v.AttachTo(point))
	t.Cleanup(func() {
		check(t, unix.Unmount(point, unix.MNT_DETACH))
		select {
		case <-v.Done():
		case <-time.After(20 * time.Second):
			t.Error("the view goes on after the unmount")
		}
	})
	return v
}
