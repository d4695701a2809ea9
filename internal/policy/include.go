package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Resolver finds an included or stacked policy by its name. file is what positions inside it say.
type Resolver func(name string) (file string, src []byte, err error)

// FolderResolver finds NAME in a folder of policies, as NAME.policy.
func FolderResolver(fsys fs.FS) Resolver {
	return func(name string) (string, []byte, error) {
		file := name + ".policy"
		src, err := fs.ReadFile(fsys, file)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("no %s there", file)
		}
		return file, src, err
	}
}

// text is what a resolver gave.
type text struct {
	file string
	src  []byte
	err  error
}

// join is a line that names another file.
type join struct {
	name string
	pos  Pos // of the name
}

// joinKey finds an include of a module.
type joinKey struct {
	module int
	name   string
}

// parseInclude reads: include NAME
func (p *parser) parseInclude(words []word) {
	if name, ok := p.name(words, "include NAME"); ok {
		p.addJoin(&p.includes, "included", join{name, p.pos(words[1].col)})
	}
}

// parseStack reads: stack NAME
func (p *parser) parseStack(words []word) {
	if p.role == included {
		p.own(words[0])
		return
	}
	if name, ok := p.name(words, "stack NAME"); ok {
		p.addJoin(&p.stacks, "stacked", join{name, p.pos(words[1].col)})
	}
}

func (p *parser) addJoin(list *[]join, done string, j join) {
	if i := slices.IndexFunc(*list, func(old join) bool { return old.name == j.name }); i >= 0 {
		p.errorAt(j.pos, "each name once", "%s is %s twice (line %d)", j.name, done, (*list)[i].pos.Line)
		return
	}
	*list = append(*list, j)
}

// include joins the rules of another file. Each file is joined once to a module, however many include it.
func (p *parser) include(j join) {
	if chain, ok := led(p.including, j.name); ok {
		p.errorAt(j.pos, "includes without a circle", "%s includes itself: %s", j.name, chain)
		return
	}
	key := joinKey{p.module, j.name}
	if p.joined[key] {
		return
	}
	p.joined[key] = true
	if t, ok := p.find(j, "include"); ok {
		p.parseFile(source{
			file: t.file, role: included, module: p.module, including: with(p.including, j.name),
		}, t.src)
	}
}

// stack adds a layer. Each file is one layer, however many stack it.
func (p *parser) stack(j join) {
	if chain, ok := led(p.stacking, j.name); ok {
		p.errorAt(j.pos, "stack lines without a circle", "%s stacks itself: %s", j.name, chain)
		return
	}
	if p.stacked[j.name] {
		return
	}
	p.stacked[j.name] = true
	if t, ok := p.find(j, "stack"); ok {
		p.policy.Stack = append(p.policy.Stack, Layer{Name: j.name, Pos: j.pos})
		p.parseFile(source{
			file: t.file, role: stacked, module: len(p.policy.Stack),
			including: []string{j.name}, stacking: with(p.stacking, j.name),
		}, t.src)
	}
}

// find gives the text of a file that a line names.
func (p *parser) find(j join, verb string) (t text, ok bool) {
	if p.resolve == nil {
		p.errorAt(j.pos, "a policy that needs no other files here", "can't %s %s", verb, j.name)
		return t, false
	}
	t, known := p.texts[j.name]
	if !known {
		t.file, t.src, t.err = p.resolve(j.name)
		p.texts[j.name] = t
	}
	if t.err != nil {
		p.errorAt(j.pos, "the name of a policy", "can't %s %s: %v", verb, j.name, t.err)
		return t, false
	}
	return t, true
}

// led tells whether a chain of names has led through name already, and how it leads there again.
func led(chain []string, name string) (string, bool) {
	i := slices.Index(chain, name)
	if i < 0 {
		return "", false
	}
	return strings.Join(with(chain[i:], name), " -> "), true
}

func with(chain []string, name string) []string { return append(slices.Clone(chain), name) }
