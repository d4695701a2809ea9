package view

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// early is a module that tells how often a file was open when it was asked whether it may be opened.
type early struct{ saw []int }

func (e *early) Info() hooks.Info {
	return hooks.Info{Name: "early", Monitors: hooks.Ops(hooks.OpOpen)}
}

func (e *early) Pre(c *hooks.Call) hooks.Verdict {
	e.saw = append(e.saw, len(c.File.(hooks.Traced).Openings()))
	if c.Flags&unix.O_ACCMODE == unix.O_RDWR {
		return hooks.Verdict{Errno: unix.EACCES}
	}
	return hooks.Allow
}

// TestOpenings: who has a file open is known from before anybody decides until the last close, through all views, and
// forgotten when the open is refused.
func TestOpenings(t *testing.T) {
	e := &early{}
	s := newServer(t, e)
	a := attach(t, s, Options{})
	b := attach(t, s, Options{Source: a.back, Inside: "/b", Cached: true})
	made, err := os.Create(a.path("f"))
	must(t, err)
	must(t, os.Link(a.path("f"), a.path("g")))
	f := a.inode(t, "f")
	want := func(flags ...uint32) {
		t.Helper()
		var got []uint32
		eventually(t, fmt.Sprint(flags), func() bool { // the kernel tells of a close afterwards
			got = nil
			for _, o := range f.Openings() {
				got = append(got, o.Flags&unix.O_ACCMODE)
			}
			slices.Sort(got)
			return slices.Equal(got, flags)
		})
	}
	want(unix.O_RDWR) // by creating
	through, err := os.Open(b.path("g"))
	must(t, err)
	want(unix.O_RDONLY, unix.O_RDWR)
	if _, err := os.OpenFile(a.path("f"), os.O_RDWR, 0); err == nil {
		t.Fatal("not refused")
	}
	want(unix.O_RDONLY, unix.O_RDWR)
	must(t, made.Close())
	want(unix.O_RDONLY)
	must(t, through.Close())
	want()
	if !slices.Equal(e.saw, []int{2, 3}) {
		t.Errorf("when asked: %v open", e.saw)
	}
	if n, err := f.Links(); n != 2 || err != nil {
		t.Errorf("%d names, %v", n, err)
	}
}
