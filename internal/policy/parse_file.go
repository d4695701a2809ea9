package policy

import (
	"path"
	"strings"
)

var permWords = []string{"none", "read", "write", "execute"}

const (
	fileUsage = "file PATH none, or file PATH with read, write, execute"
	maxPath   = 4095
	maxName   = 255
)

// fileKey finds a file rule of a list.
type fileKey struct {
	list int
	path string
}

// parseFileRule reads: file PATH PERMISSION…
func (p *parser) parseFileRule(words []word) {
	args, ok := p.args(words, 2, -1, fileUsage)
	if !ok {
		return
	}
	r := FileRule{Path: args[0].text, Pos: p.pos(words[0].col)}
	ok = p.path(args[0], r.Path)
	perm, good := p.perms(args[1:])
	if !ok || !good {
		return
	}
	r.Perm = perm
	p.addFile(r, args[0].col)
}

// perms reads the permission words of a file rule.
func (p *parser) perms(words []word) (perm Perm, ok bool) {
	none := false
	for _, w := range words {
		bit, known := map[string]Perm{"none": None, "read": Read, "write": Write, "execute": Execute}[w.text]
		switch {
		case !known:
			p.errorf(w.col, oneOf(permWords)+suggest(w.text, permWords), "unknown permission %q", w.text)
			return 0, false
		case none && bit == None, bit != None && perm&bit != 0:
			p.errorf(w.col, "each permission once", "%s is given twice", w.text)
			return 0, false
		}
		none = none || bit == None
		perm |= bit
		if none && perm != None {
			p.errorf(w.col, "none alone", "none together with %s", perm)
			return 0, false
		}
	}
	return perm, true
}

// addFile puts a rule into its list. One file says a path once in a list; the same path from another file joins.
func (p *parser) addFile(r FileRule, col int) {
	key, list := fileKey{p.list, r.Path}, p.rules()
	i, known := p.files[key]
	if !known {
		p.files[key] = len(list.Files)
		list.Files = append(list.Files, r)
		return
	}
	old := &list.Files[i]
	switch {
	case old.Pos.File == r.Pos.File && old.Perm == r.Perm:
		p.errorf(col, "one line for a path", "%s stands in %s twice (line %d)", quote(r.Path), p.where(), old.Pos.Line)
	case old.Pos.File == r.Pos.File:
		p.errorf(col, "one line for a path", "%s stands in %s twice, with %s in line %d", quote(r.Path), p.where(), old.Perm, old.Pos.Line)
	case (old.Perm == None) != (r.Perm == None):
		p.errorf(col, "the same in both files", "%s for %s contradicts %s at %s", r.Perm, quote(r.Path), old.Perm, old.Pos.Rule())
	default:
		old.Perm |= r.Perm
	}
}

// path checks a path as seen in the container.
func (p *parser) path(w word, s string) bool {
	if !strings.HasPrefix(s, "/") {
		p.errorf(w.col, "a path that begins with /", "%s is not absolute", quote(s))
		return false
	}
	return p.clean(w, s)
}

// destination checks a path on the host: absolute, or below the policy's own folder.
func (p *parser) destination(w word) bool {
	if w.text == "" {
		p.errorf(w.col, "a path", "an empty destination")
		return false
	}
	return p.clean(w, w.text)
}

// clean checks what absolute and relative paths have in common.
func (p *parser) clean(w word, s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			p.errorf(w.col, "a path without ..", "%s goes up", quote(s))
			return false
		}
		if len(part) > maxName {
			p.errorf(w.col, "names of at most 255 bytes", "a name of %d bytes", len(part))
			return false
		}
	}
	if c := path.Clean(s); c != s {
		p.errorf(w.col, quote(c), "%s is not in its shortest form", quote(s))
		return false
	}
	if len(s) > maxPath {
		p.errorf(w.col, "at most 4095 bytes", "a path of %d bytes", len(s))
		return false
	}
	return true
}

// overlap tells whether two clean paths are the same or one lies below the other.
func overlap(a, b string) bool { return Below(a, b) || Below(b, a) }

// Below tells whether path is dir or lies below it, by whole components.
func Below(path, dir string) bool {
	if !strings.HasPrefix(path, dir) {
		return false
	}
	return len(path) == len(dir) || strings.HasSuffix(dir, "/") || path[len(dir)] == '/'
}
