package view

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// mounted is a view attached to a folder of the test.
type mounted struct {
	*View
	back  string // the source
	point string // where it is mounted
}

// attach serves o over a folder and takes everything down at the end.
func attach(t testing.TB, s *Server, o Options) *mounted {
	t.Helper()
	if o.Source == "" {
		o.Source = t.TempDir()
	}
	if o.Name == "" {
		o.Name = "test"
	}
	if o.Inside == "" {
		o.Inside = "/"
	}
	o.SelfUse = true
	v, err := s.Add(o)
	if err != nil {
		t.Fatal(err)
	}
	point := filepath.Join(t.TempDir(), "mnt")
	if v.source.mode&unix.S_IFMT == unix.S_IFDIR {
		err = os.Mkdir(point, 0o755)
	} else {
		err = os.WriteFile(point, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := v.AttachTo(point); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Unmount(point, unix.MNT_DETACH)
		waitDone(t, v)
	})
	return &mounted{v, o.Source, point}
}

func waitDone(t testing.TB, v *View) {
	t.Helper()
	select {
	case <-v.Done():
	case <-time.After(30 * time.Second): // a mount namespace that another test made may have a copy
		t.Error("the session goes on after the unmount")
		v.Abort()
	}
}

func newServer(t testing.TB, mods ...hooks.Module) *Server {
	t.Helper()
	m := hooks.NewMaster(nil)
	for _, mod := range mods {
		if _, err := m.Register(mod); err != nil {
			t.Fatal(err)
		}
	}
	return NewServer(m)
}

func (m *mounted) path(name string) string { return filepath.Join(m.point, name) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
