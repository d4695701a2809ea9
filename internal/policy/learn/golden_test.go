package learn_test

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"klw/internal/policy"
	"klw/internal/policy/learn"
)

var update = flag.Bool("update", false, "write what comes out into testdata")

// TestGolden reads testdata/*.txtar: a policy in force and what was used, in "want" the change that is proposed.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 5 {
		t.Fatalf("only %d golden files (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	part := map[string]string{}
	var kept []txtar.File
	for _, f := range ar.Files {
		part[f.Name] = string(f.Data)
		if f.Name != "want" {
			kept = append(kept, f)
		}
	}
	p, err := policy.Parse("web.policy", []byte(part["policy"]))
	if err != nil {
		t.Fatal(err)
	}
	uses, links := parseUses(t, part["uses"])
	proposal, err := learn.Build(uses, options(p, links))
	if err != nil {
		t.Fatal(err)
	}
	merged := learn.Merge(part["policy"], p, proposal)
	if _, err := policy.Parse("web.policy", []byte(merged)); err != nil {
		t.Errorf("the result has mistakes: %v\n%s", err, merged)
	}
	got := string(diff.Diff("web.policy", []byte(part["policy"]), "learned", []byte(merged)))
	if *update {
		ar.Files = append(kept, txtar.File{Name: "want", Data: []byte(got)})
		if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(part["want"], got); d != "" {
		t.Errorf("want -, got +:\n%s", d)
	}
}

var people = map[string]uint32{"root": 0, "www": 33, "bob": 1000}

// options are those of a container with these users, links, and /proc from the kernel.
func options(p *policy.Policy, links map[string]string) learn.Options {
	return learn.Options{
		Rules: p.RuleSet, Circles: p.Circles,
		UID: func(u policy.User) (uint32, error) {
			if u.HasID {
				return u.ID, nil
			}
			return people[u.Name], nil
		},
		Name: func(uid uint32) policy.User {
			for name, id := range people {
				if id == uid {
					return policy.User{Name: name}
				}
			}
			return policy.User{ID: uid, HasID: true}
		},
		Follow: func(p string) (string, []string, error) { at, via := follow(links, p); return at, via, nil },
		Ruled:  func(p string) bool { return !policy.Below(p, "/proc") },
	}
}

func follow(links map[string]string, p string) (at string, via []string) {
	at = "/"
	for part := range strings.SplitSeq(strings.Trim(p, "/"), "/") {
		at = path.Join(at, part)
		for links[at] != "" {
			via = append(via, at)
			at = links[at]
		}
	}
	return at, via
}

// parseUses reads lines: USER PERM[+PERM] PATH [KIND…], tie A B [folder], link NAME TARGET, socket ….
func parseUses(t *testing.T, text string) (u learn.Uses, links map[string]string) {
	var sockets []learn.Socket
	table, links := learn.NewTable(1000), map[string]string{}
	kinds := map[string]learn.Kind{"folder": learn.Folder, "listed": learn.Folder | learn.Listed, "link": learn.Link,
		"made": learn.Made, "special": learn.Special}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "tie":
			table.Tie(learn.Tie{A: f[1], B: f[2], Folder: len(f) > 3})
		case f[0] == "link":
			links[f[1]] = f[2]
		case f[0] == "socket":
			sockets = append(sockets, parseSocket(t, f))
		case f[0] == "nameless":
			table.Nameless()
		default:
			for _, name := range expand(f[2]) {
				use := learn.Use{User: user(f[0]), Path: name}
				for word := range strings.SplitSeq(f[1], "+") {
					use.Perm |= map[string]policy.Perm{"read": policy.Read, "write": policy.Write, "execute": policy.Execute}[word]
				}
				for _, word := range f[3:] {
					if kinds[word] == 0 {
						t.Fatalf("unknown kind %q", word)
					}
					use.Kind |= kinds[word]
				}
				table.Add(use)
			}
		}
	}
	u = table.Uses()
	u.Sockets = sockets
	return u, links
}

// parseSocket reads: socket USER [bound] RULE, or socket USER odd TEXT.
func parseSocket(t *testing.T, f []string) learn.Socket {
	s := learn.Socket{User: user(f[1]), Bound: f[2] == "bound"}
	if f[2] == "odd" {
		s.Text = strings.Join(f[3:], " ")
		return s
	}
	rule := strings.Join(f[len(f)-3:], " ")
	port0 := strings.HasSuffix(rule, ":0")
	if port0 {
		rule = strings.TrimSuffix(rule, "0") + "*"
	}
	p, err := policy.Parse("use", []byte("application use\n@general\nsocket "+rule+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.Rule = p.General.Sockets[0]
	s.Rule.Pos = policy.Pos{}
	return s
}

func user(name string) uint32 {
	if id, ok := people[name]; ok {
		return id
	}
	id, _ := strconv.ParseUint(name, 10, 32)
	return uint32(id)
}

// expand gives the names for N in {N}, from 1 on.
func expand(name string) (list []string) {
	before, rest, ok := strings.Cut(name, "{")
	if !ok {
		return []string{name}
	}
	number, after, _ := strings.Cut(rest, "}")
	n, _ := strconv.Atoi(number)
	for i := range n {
		list = append(list, fmt.Sprintf("%s%c%s", before, 'a'+i, after))
	}
	return list
}
