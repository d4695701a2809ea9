package view

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPin resolves paths as the application would.
func TestPin(t *testing.T) {
	s := newServer(t)
	root := attach(t, s, Options{})
	must(t, os.MkdirAll(root.back+"/etc/deep/er", 0o755))
	must(t, os.MkdirAll(root.back+"/srv/www", 0o755))
	put(t, root.back+"/etc/conf", "c")
	for _, l := range [][2]string{
		{"/etc/conf", "abs"}, {"etc/conf", "rel"}, {"../../../etc/conf", "up"}, {"loop", "loop"},
		{"/srv/www", "site"}, {"/etc/deep", "deep"}, {"/nowhere", "broken"},
	} {
		must(t, os.Symlink(l[0], root.back+"/"+l[1]))
	}
	www := attach(t, s, Options{Inside: "/srv/www"})
	put(t, www.back+"/page", "p")
	must(t, os.Symlink("/etc/conf", www.back+"/out"))
	must(t, os.Symlink("../../etc/conf", www.back+"/out2"))
	far := attach(t, s, Options{Inside: "/mnt/not/there"})
	put(t, far.back+"/f", "f")

	conf := root.back + "/etc/conf"
	for _, c := range []struct {
		path, at string
		m        *mounted
		host     string
	}{
		{"/", "/", root, root.back},
		{"/etc/conf", "/etc/conf", root, conf},
		{"//etc/./deep/../conf", "/etc/conf", root, conf},
		{"/abs", "/etc/conf", root, conf},
		{"/rel", "/etc/conf", root, conf},
		{"/up", "/etc/conf", root, conf},
		{"/deep/er/../../conf", "/etc/conf", root, conf},
		{"/srv/www", "/srv/www", www, www.back},
		{"/srv/www/page", "/srv/www/page", www, www.back + "/page"},
		{"/site/page", "/srv/www/page", www, www.back + "/page"},
		{"/srv/www/out", "/etc/conf", root, conf},
		{"/srv/www/out2", "/etc/conf", root, conf},
		{"/srv/www/../../abs", "/etc/conf", root, conf},
		{"/mnt/not/there/f", "/mnt/not/there/f", far, far.back + "/f"},
	} {
		f, at, err := s.Pin(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		want(t, c.path+" leads to", at, c.at)
		want(t, c.path+" is", f.Key(), c.m.keyOf(t, c.host))
		wantPaths(t, f, c.at)
	}
	for path, is := range map[string]error{
		"/none": fs.ErrNotExist, "/broken": fs.ErrNotExist, "/mnt/not/else": fs.ErrNotExist, "/mnt": fs.ErrNotExist,
		"/loop": unix.ELOOP, "/etc/conf/x": fs.ErrNotExist,
	} {
		if _, _, err := s.Pin(path); !errors.Is(err, is) {
			t.Errorf("%s: %v, want %v", path, err, is)
		}
	}
}

// TestFollow: what isn't there yet, and the links on the way.
func TestFollow(t *testing.T) {
	m := attach(t, newServer(t), Options{})
	must(t, os.Mkdir(m.back+"/real", 0o755))
	must(t, os.Symlink("real", m.back+"/one"))
	must(t, os.Symlink("/one", m.back+"/two"))
	f, at, links, err := m.srv.Follow("/two/none/below")
	must(t, err)
	if f != nil || at != "/real/none/below" || fmt.Sprint(links) != "[/two /one]" {
		t.Errorf("%v at %s by %q", f, at, links)
	}
}

// TestPinStays: a pinned object keeps its names when the kernel forgets it, and loses them as others do.
func TestPinStays(t *testing.T) {
	m := attach(t, newServer(t), Options{})
	put(t, m.back+"/f", "x")
	must(t, os.Link(m.back+"/f", m.back+"/g"))
	f, _, err := m.srv.Pin("/f")
	must(t, err)
	wantPaths(t, f, "/f")
	must(t, unix.Stat(m.path("g"), &unix.Stat_t{}))
	wantPaths(t, f, "/f", "/g")
	must(t, os.Rename(m.path("f"), m.path("h")))
	wantPaths(t, f, "/h", "/g")
	must(t, os.Remove(m.path("h")))
	wantPaths(t, f, "/g")
}
