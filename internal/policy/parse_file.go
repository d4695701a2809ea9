package policy

import (
	"path"
	"slices"
	"strings"
)

var permWords = []string{"none", "read", "write", "execute", "immutable", "revocable"}

const (
	fileUsage = "file PATH none, or file PATH with read, write, execute, immutable, revocable"
	maxPath   = 4095
	maxName   = 255
)

// fileKey finds a file rule of a list.
type fileKey struct {
	module, list int
	path         string
}

// parseFileRule reads: file PATH PERMISSION…
func (p *parser) parseFileRule(words []word) {
	args, ok := p.args(words, 2, -1, fileUsage)
	if !ok {
		return
	}
	r := FileRule{Path: args[0].text, Pos: p.pos(words[0].col)}
	ok = p.rulePath(args[0], r.Path)
	if ok = p.permissions(args[1:], &r) && ok; ok {
		p.addFile(r, args[0].col)
	}
}

// permissions reads the words behind the path of a file rule.
func (p *parser) permissions(words []word, r *FileRule) bool {
	said := map[string]bool{}
	for _, w := range words {
		switch {
		case !slices.Contains(permWords, w.text):
			p.errorf(w.col, oneOf(permWords)+suggest(w.text, permWords), "unknown permission %q", w.text)
			return false
		case said[w.text]:
			p.errorf(w.col, "each permission once", "%s is given twice", w.text)
			return false
		}
		said[w.text] = true
		r.Perm |= perms[w.text]
		r.Immutable = r.Immutable || w.text == "immutable"
		r.Revocable = r.Revocable || w.text == "revocable"
		if !p.together(w, said, r) {
			return false
		}
	}
	if r.Revocable && r.Perm&(Read|Write) == 0 {
		p.errorf(words[len(words)-1].col, "read or write beside it", "nothing to revoke")
		return false
	}
	return true
}

// perms are the words that give something.
var perms = map[string]Perm{"read": Read, "write": Write, "execute": Execute}

// together checks the words of a rule up to w with each other.
func (p *parser) together(w word, said map[string]bool, r *FileRule) bool {
	switch {
	case said["none"] && len(said) > 1:
		p.errorf(w.col, "none alone", "none together with %s", r.words())
	case r.Immutable && r.Perm&Write != 0:
		p.errorf(w.col, "one of them", "immutable together with write")
	case r.Immutable && p.list != generalList:
		p.errorf(w.col, "it in @general: what is immutable is so for everybody", "immutable in %s", p.where())
	default:
		return true
	}
	return false
}

// addFile puts a rule into its list. One file says a path once in a list; the same path from another file joins.
func (p *parser) addFile(r FileRule, col int) {
	key, list := fileKey{p.module, p.list, r.Path}, p.rules()
	i, known := p.files[key]
	if !known {
		p.files[key] = len(list.Files)
		list.Files = append(list.Files, r)
		return
	}
	old := &list.Files[i]
	switch {
	case old.Pos.File == r.Pos.File && old.words() == r.words():
		p.errorf(col, "one line for a path", "%s stands in %s twice (line %d)", quote(r.Path), p.where(), old.Pos.Line)
	case old.Pos.File == r.Pos.File:
		p.errorf(col, "one line for a path", "%s stands in %s twice, with %s in line %d", quote(r.Path), p.where(), old.words(), old.Pos.Line)
	case old.none() != r.none(), old.Immutable && r.Perm&Write != 0, r.Immutable && old.Perm&Write != 0:
		p.errorf(col, "rules that can join", "%s for %s contradicts %s at %s", r.words(), quote(r.Path), old.words(), old.Pos.Rule())
	default:
		old.Perm |= r.Perm
		old.Immutable = old.Immutable || r.Immutable
		old.Revocable = old.Revocable || r.Revocable
	}
}

// none tells whether the rule is the word none.
func (r FileRule) none() bool { return r.Perm == None && !r.Immutable }

// rulePath checks the path of a file rule: in a user's list it may begin with his home.
func (p *parser) rulePath(w word, s string) bool {
	if s != "~" && !strings.HasPrefix(s, "~/") {
		return p.path(w, s)
	}
	if p.list == generalList {
		p.errorf(w.col, "a section @user above it, or a path that begins with /", "%s is nobody's home", quote(s))
		return false
	}
	return p.clean(w, s)
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

// Below tells whether path is dir or lies below it, by whole components.
func Below(path, dir string) bool {
	if !strings.HasPrefix(path, dir) {
		return false
	}
	return len(path) == len(dir) || strings.HasSuffix(dir, "/") || path[len(dir)] == '/'
}
