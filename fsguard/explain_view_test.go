package fsguard

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"klw/internal/policy"
)

// explainPaths are asked about. /m is a second mount of /b, /a/l a second name of /c, /b/s a symbolic link to /a.
var explainPaths = []string{"/a", "/a/a", "/a/b", "/a/l", "/a/new", "/b", "/b/a", "/b/a/c", "/b/new", "/b/a/new", "/c", "/m/a/c", "/m/new", "/m/a/new", "/b/s/a", "/b/s/new"}

// TestExplainOnView compares what Explain says of random policies with what happens on a mounted view.
func TestExplainOnView(t *testing.T) {
	g := explainTree(t)
	check(t, g.master.Unregister(Name))
	s := &stacked{guarded: g}
	asked := map[bool]int{}
	rapid.Check(t, func(rt *rapid.T) {
		if !s.force(drawStack(rt)) {
			return
		}
		var made []string
		defer func() {
			s.end()
			for _, path := range made {
				_ = os.Remove(filepath.Join(g.mount, strings.Replace(path, "/b/s", "/a", 1)))
			}
		}()
		for range 4 {
			path := rapid.SampledFrom(explainPaths).Draw(rt, "path")
			user := rapid.SampledFrom([]uint32{0, 1000}).Draw(rt, "user")
			need := rapid.SampledFrom([]policy.Perm{policy.Read, policy.Write, policy.Execute}).Draw(rt, "need")
			attempt := s.attemptFor(path, need)
			if attempt == "" || attempt != "creat" && strings.HasSuffix(path, "/new") { // that is somebody's now
				continue
			}
			a, err := s.bound.Explain(map[uint32]string{0: "root", 1000: "bob"}[user], path, need)
			check(t, err)
			got := tryAs(t, user, g.mount, attempt+" "+path)[0]
			if allowed := got == "ok" || got == "ENOEXEC"; allowed != a.Allowed {
				rt.Fatalf("%s %s as %d: %s, but %s\n%s", attempt, path, user, got, a, s.policy)
			}
			asked[a.Allowed]++
			if attempt == "creat" && got == "ok" {
				made = append(made, path)
			}
		}
	})
	if asked[true] == 0 || asked[false] == 0 {
		t.Errorf("allowed %d, refused %d: the test says nothing", asked[true], asked[false])
	}
}

// explainTree makes what is asked about.
func explainTree(t *testing.T) *guarded {
	g := serveOf(t, 0, "@general\nfile / read write execute\n", map[string]string{
		"proc/": "", "m/": "", "a/a": "a", "a/b": "b", "b/b": "b", "b/a/c": "c", "c": "c",
	})
	check(t, os.Link(g.source+"/c", g.source+"/a/l"))
	check(t, os.Symlink("/a", g.source+"/b/s"))
	g.attach(g.source+"/b", "/m")
	return g
}

// attemptFor gives what needs just that permission; "" if nothing does.
func (s *stacked) attemptFor(path string, need policy.Perm) string {
	st, err := os.Stat(s.mount + strings.Replace(path, "/b/s", "/a", 1))
	switch {
	case err != nil && need == policy.Write:
		return "creat"
	case err != nil:
		return ""
	case st.IsDir() && need == policy.Read:
		return "list"
	case st.IsDir():
		return ""
	}
	return []string{"read", "write", "exec"}[slices.Index([]policy.Perm{policy.Read, policy.Write, policy.Execute}, need)]
}

// TestExplainUnseen: names that nobody has looked up count, and those that a second mount gives to what isn't there yet.
func TestExplainUnseen(t *testing.T) {
	g := explainTree(t)
	b, _, err := BindPolicy(parse(t, "@general\nfile / read write\nfile /a/l read\nfile /b read\n"), g.server, people)
	check(t, err)
	defer b.Close()
	for _, c := range []struct{ path, want string }{
		{"/c", "refused: write of /c, which is /a/l, for bob (p:4: file /a/l read)\nwould be allowed by: file /a/l read write"},
		{"/m/new/x", "refused: write of /m/new/x, which is /b/new/x, for bob (p:5: file /b read)\nwould be allowed by: file /b/new/x read write"},
	} {
		if a, err := b.Explain("bob", c.path, policy.Write); err != nil || a.String() != c.want {
			t.Errorf("%v\ngot  %s\nwant %s", err, a, c.want)
		}
	}
}
