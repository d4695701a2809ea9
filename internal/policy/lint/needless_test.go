package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"klw/internal/policy"
)

var (
	somePaths = []string{"/a", "/a/b", "/a/b/c", "/d"}
	someUsers = []string{"bob", "0"}
)

// TestNeedlessIsExact wants those lines called needless, and only those, without which every user has the same. A section
// is called so as a whole.
func TestNeedlessIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := drawLines(t)
		p, err := policy.Parse("p", []byte(strings.Join(lines, "\n")))
		if err != nil {
			return // it contradicts itself
		}
		told := map[int]bool{}
		for _, w := range Check(p, Options{}) {
			told[w.Pos.Line-1] = true
		}
		section := 0
		for i, line := range lines {
			if strings.HasPrefix(line, "@") {
				section = i
			}
			end := i + 1
			for line == lines[section] && end < len(lines) && lines[end][0] != '@' {
				end++
			}
			if line == "application a" || line == "@general" || i != section && told[section] {
				continue
			}
			without, err := policy.Parse("p", []byte(strings.Join(slices.Delete(slices.Clone(lines), i, end), "\n")))
			if err != nil {
				t.Fatal(err) // less can't contradict
			}
			if same := rights(p) == rights(without); same != told[i] {
				t.Fatalf("%s\nline %d: %s\nneedless: %v, told: %v", p, i+1, line, same, told[i])
			}
		}
	})
}

func drawLines(t *rapid.T) []string {
	lines := []string{"application a"}
	for _, section := range []string{"@general", "@user bob", "@user 0"} {
		lines = append(lines, section)
		for _, path := range somePaths {
			words := []string{"", "none", "read", "read write", "read revocable", "write"}
			if section == "@general" {
				words = append(words, "read immutable")
			}
			if w := rapid.SampledFrom(words).Draw(t, section+path); w != "" {
				lines = append(lines, fmt.Sprintf("file %s %s", path, w))
			}
		}
	}
	return lines
}

// rights writes down what everybody has everywhere, by the words of the reference: the longest path of both lists
// together counts, and what both say of it joins.
func rights(p *policy.Policy) (all string) {
	for _, user := range append([]string{"somebody"}, someUsers...) {
		rules := slices.Clone(p.General.Files)
		for _, u := range p.PerUser {
			if u.User.String() == user {
				rules = append(rules, u.Files...)
			}
		}
		for _, path := range []string{"/", "/a", "/a/x", "/a/b", "/a/b/x", "/a/b/c", "/a/b/c/x", "/d", "/d/x"} {
			var best policy.FileRule
			immutable := false
			for _, r := range rules {
				if !policy.Below(path, r.Path) {
					continue
				}
				immutable = immutable || r.Immutable
				switch {
				case len(r.Path) > len(best.Path):
					best = r
				case len(r.Path) == len(best.Path):
					best.Perm |= r.Perm
					best.Revocable = best.Revocable || r.Revocable
				}
			}
			all += fmt.Sprintln(user, path, best.Perm, best.Revocable, immutable)
		}
	}
	return all
}
