package fsguard

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
	"klw/internal/view"
)

// guarded is a real view under a policy.
type guarded struct {
	t      *testing.T
	server *view.Server
	master *hooks.Master
	source string // on the host
	mount  string // what the application sees as /

	mu      sync.Mutex
	refused []string // rule, path and operation of each refusal
}

// serve makes files (names ending in / are directories) and shows them under a policy.
func serve(t *testing.T, text string, files map[string]string) *guarded {
	t.Helper()
	return serveOf(t, 0, text, files)
}

// serveOf is serve with files that belong to somebody.
func serveOf(t *testing.T, owner int, text string, files map[string]string) *guarded {
	t.Helper()
	g := &guarded{t: t, source: t.TempDir(), mount: t.TempDir()}
	for name, data := range files {
		path := filepath.Join(g.source, name)
		if strings.HasSuffix(name, "/") {
			check(t, os.MkdirAll(path, 0o777))
			continue
		}
		check(t, os.MkdirAll(filepath.Dir(path), 0o777))
		check(t, os.WriteFile(path, []byte(data), 0o666))
	}
	openUp(t, g.source, owner)
	g.master = hooks.NewMaster(func(c *hooks.Call, _ hooks.Info, v hooks.Verdict) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.refused = append(g.refused, v.Rule+" "+v.Path+" "+c.Op.String())
	})
	g.server = view.NewServer(g.master)
	g.attach(g.source, "/")
	g.server.KnowAllNames()
	g.mountProc()
	g.guardBy(parse(t, text))
	return g
}

// guardBy puts a policy's file rules, stacked policies and circles into force.
func (g *guarded) guardBy(p *policy.Policy) {
	g.t.Helper()
	bound, _, err := BindPolicy(p, g.server, people)
	check(g.t, err)
	for _, s := range bound.Files {
		_, err := g.master.Register(NewModule(s.Module, s.Rules))
		check(g.t, err)
	}
	if bound.Circles != nil {
		_, err := g.master.Register(NewCircleModule(bound.Circles))
		check(g.t, err)
	}
}

// openUp makes owner and mode allow everything: the policy alone decides.
func openUp(t *testing.T, dir string, owner int) {
	check(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.Type()&os.ModeSymlink != 0 {
			return err
		}
		return errors.Join(os.Chown(p, owner, owner), os.Chmod(p, 0o777))
	}))
}

// attach shows source at a path of the container.
func (g *guarded) attach(source, inside string) {
	v, err := g.server.Add(view.Options{Name: "test", Source: source, Inside: inside})
	check(g.t, err)
	point := filepath.Join(g.mount, inside)
	check(g.t, v.AttachTo(point))
	g.t.Cleanup(func() {
		check(g.t, unix.Unmount(point, unix.MNT_DETACH))
		select {
		case <-v.Done():
		case <-time.After(30 * time.Second): // a mount namespace that another test made may have a copy
			g.t.Error("the view goes on after the unmount")
		}
	})
}

// mountProc gives the attempts their /proc.
func (g *guarded) mountProc() {
	point := filepath.Join(g.mount, "proc")
	check(g.t, unix.Mount("proc", point, "proc", 0, ""))
	g.t.Cleanup(func() { check(g.t, unix.Unmount(point, unix.MNT_DETACH)) })
}

// told gives the refusals since it was asked last.
func (g *guarded) told() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.refused
	g.refused = nil
	return list
}

// want runs attempts, each followed by " = " and its result; a refusal may have " by RULE PATH OPERATION" behind it.
func (g *guarded) want(uid uint32, lines string) {
	g.t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		attempt, rest, _ := strings.Cut(line, " = ")
		result, by, told := strings.Cut(rest, " by ")
		g.told()
		got := tryAs(g.t, uid, g.mount, attempt)[0]
		refused := g.told()
		if got != result {
			g.t.Errorf("as %d: %s: %s, want %s %v", uid, attempt, got, result, refused)
		}
		if told && (len(refused) != 1 || refused[0] != by) {
			g.t.Errorf("as %d: %s: told %q, want %q", uid, attempt, refused, by)
		}
		if result == "ok" && len(refused) > 0 {
			g.t.Errorf("as %d: %s: refused on the way: %q", uid, attempt, refused)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// unchanged wants the files as they were made, but one.
func (g *guarded) unchanged(files map[string]string, but string) {
	for name, text := range files {
		if name == but || strings.HasSuffix(name, "/") {
			continue
		}
		if got := contents(g.t, filepath.Join(g.source, name)); string(got) != text {
			g.t.Errorf("%s is %q", name, got)
		}
	}
}
