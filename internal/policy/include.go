package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Resolver finds an included policy by its name. file is what positions inside it say.
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

type include struct {
	name string
	pos  Pos
}

// parseInclude reads: include NAME
func (p *parser) parseInclude(words []word) {
	name, ok := p.name(words, "include NAME")
	if !ok {
		return
	}
	for _, old := range p.includes {
		if old.name == name {
			p.errorf(words[1].col, "each name once", "%s is included twice (line %d)", name, old.pos.Line)
			return
		}
	}
	p.includes = append(p.includes, include{name, p.pos(words[1].col)})
}

// include joins the rules of another file. Each file is joined once, however many include it.
func (p *parser) include(inc include) {
	for i, n := range p.including {
		if n == inc.name {
			circle := strings.Join(append(append([]string(nil), p.including[i:]...), inc.name), " -> ")
			p.errorAt(inc.pos, "includes without a circle", "%s includes itself: %s", inc.name, circle)
			return
		}
	}
	if p.loaded[inc.name] {
		return
	}
	p.loaded[inc.name] = true
	if p.resolve == nil {
		p.errorAt(inc.pos, "a policy without includes here", "%s can't be included", inc.name)
		return
	}
	file, src, err := p.resolve(inc.name)
	if err != nil {
		p.errorAt(inc.pos, "the name of a policy", "can't include %s: %v", inc.name, err)
		return
	}
	p.parseFile(file, src, append(append([]string{}, p.including...), inc.name))
}
