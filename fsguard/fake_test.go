package fsguard

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/inode"
	"klw/internal/policy"
)

// fake is an object that says of itself what a test wants.
type fake struct {
	ino    uint64
	names  []string
	former []string
	typ    uint32
}

func (f *fake) Key() inode.Key        { return inode.Key{Ino: f.ino} }
func (f *fake) Paths() []string       { return f.names }
func (f *fake) FormerPaths() []string { return f.former }
func (f *fake) Type() uint32          { return f.typ }

func file(names ...string) *fake { return &fake{names: names, typ: unix.S_IFREG} }
func dir(names ...string) *fake  { return &fake{names: names, typ: unix.S_IFDIR} }
func link(names ...string) *fake { return &fake{names: names, typ: unix.S_IFLNK} }

// root is a container's root with symbolic links; everything that isn't missing exists.
type root struct {
	links   map[string]string // absolute targets
	missing map[string]bool
	fails   map[string]error
}

func (r root) Follow(p string) (hooks.File, string, []string, error) {
	led := "/"
	var links []string
	missing := false
	for part := range strings.SplitSeq(strings.Trim(p, "/"), "/") {
		led = path.Join(led, part)
		for range 40 {
			to, ok := r.links[led]
			if !ok || missing {
				break
			}
			links = append(links, led)
			led = to
		}
		missing = missing || r.missing[led]
		if err := r.fails[led]; err != nil {
			return nil, "", nil, fmt.Errorf("resolve %s: %w", p, err)
		}
	}
	if missing {
		return nil, led, links, nil
	}
	return file(led), led, links, nil
}

var people = passwd{"root": 0, "bob": 1000, "www-data": 33}

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("p", []byte("application test\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (r root) Unpin(hooks.File) {}

// newModule binds a policy and makes the module that decides by it.
func newModule(p *policy.Policy, views Resolver, users UserLookup, opts ...Option) (*Module, []Warning, error) {
	rules, warnings, err := Bind(p.RuleSet, views, users, opts...)
	if err != nil {
		return nil, warnings, err
	}
	return NewModule(Name, rules), warnings, nil
}

// guard makes a module for a container without links.
func guard(t testing.TB, text string) *Module {
	t.Helper()
	m, warnings, err := newModule(parse(t, text), root{}, people)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	return m
}
