package fsguard

import (
	"strings"

	"klw/internal/policy"
)

// plot is a component of a path in the tree of all reserves. The root stands for "/".
type plot struct {
	next map[string]*plot
	line *reserve // a line is about this very path; then none is about what is below
}

// walk goes down a path (absolute and clean), and to a name in it. r is the line on the way, or nil; at is nil where no
// line is about something at or below.
func (p *plot) walk(path, name string) (r *reserve, at *plot) {
	at = p
	for rest := path[1:]; ; {
		if at.line != nil {
			r = at.line
		}
		var part string
		switch {
		case rest != "":
			part, rest, _ = strings.Cut(rest, "/")
		case name != "":
			part, name = name, ""
		default:
			return r, at
		}
		if at = at.next[part]; at == nil {
			return r, nil
		}
	}
}

// cover gives the line that reserves a name, or nil.
func (p *plot) cover(path, name string) *reserve {
	r, _ := p.walk(path, name)
	return r
}

// clash gives a line that none for path can stand beside: about the same, or about something around or inside it.
func (p *plot) clash(path string) *reserve {
	r, at := p.walk(path, "")
	if r == nil && at != nil {
		r = at.some()
	}
	return r
}

// add puts a line in.
func (p *plot) add(path string, r *reserve) {
	at := p
	for part := range strings.SplitSeq(path[1:], "/") {
		if part == "" { // of "/"
			break
		}
		if at.next == nil {
			at.next = map[string]*plot{}
		}
		if at.next[part] == nil {
			at.next[part] = &plot{}
		}
		at = at.next[part]
	}
	at.line = r
}

// some gives a line from here down, or nil in an empty tree.
func (p *plot) some() *reserve {
	for p.line == nil && len(p.next) > 0 {
		var first string
		for name := range p.next {
			if first == "" || name < first {
				first = name
			}
		}
		p = p.next[first]
	}
	return p.line
}

// wanted gives what an operation needs, in the words of a reserve: executing is reading.
func wanted(p policy.Perm) policy.Perm {
	if p&policy.Execute != 0 {
		p = p&^policy.Execute | policy.Read
	}
	return p
}
