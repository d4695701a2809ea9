package policy

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"unicode/utf8"
)

// Parse reads a policy that includes nothing. name is what positions say. On any error the policy is nil and the error
// is an [ErrorList] with every mistake.
func Parse(name string, src []byte) (*Policy, error) { return ParseWith(name, src, nil) }

// ParseWith reads a policy and what it includes and stacks, which resolve finds: it is asked once for each name.
func ParseWith(name string, src []byte, resolve Resolver) (*Policy, error) {
	p := &parser{
		policy:   &Policy{Name: name, Seal: true},
		resolve:  resolve,
		headers:  map[string]Pos{},
		users:    map[User]bool{},
		lists:    map[listKey]int{},
		files:    map[fileKey]int{},
		sockets:  map[socketKey]Pos{},
		circles:  map[User]int{},
		listed:   map[string]int{},
		reserved: newApart(),
		asked:    map[question]Pos{},
		publish:  map[published]Pos{},
		sources:  newApart(),
		replicas: newApart(),
		texts:    map[string]text{},
		joined:   map[joinKey]bool{},
		stacked:  map[string]bool{},
	}
	p.parseFile(source{file: name}, src)
	p.gatherCircles()
	p.check()
	if len(p.errs) > 0 {
		p.sortErrors()
		return nil, p.errs
	}
	return p.policy, nil
}

// parser fills one policy from one or several files. It finds what stands twice by maps, not by looking at all: the time
// to read a policy grows with its length, not with its square.
type parser struct {
	policy  *Policy
	resolve Resolver
	errs    ErrorList

	headers  map[string]Pos // header lines that may stand once
	users    map[User]bool  // of the users line
	publish  map[published]Pos
	sources  *apart // of replications
	replicas *apart // their destinations

	lists   map[listKey]int   // index in PerUser
	files   map[fileKey]int   // index in the list
	sockets map[socketKey]Pos // first place

	circles  map[User]int // index in Circles
	lines    []circleLine // what circles reserve, in order
	listed   map[string]int
	reserved *apart
	asked    map[question]Pos // expectations

	texts   map[string]text  // what resolve gave
	joined  map[joinKey]bool // includes already joined
	stacked map[string]bool  // layers already read

	source          // the file being read
	order  []string // files in the order in which they were read
}

// source is the state inside one file.
type source struct {
	file      string
	line      int
	role      role
	module    int      // whose rules it has: 0 is the policy itself, then the layers
	including []string // names of the includes that led here from the policy or the layer
	stacking  []string // names of the stack lines that led here
	section   section
	list      int    // in sections of rules: generalList or an index in PerUser
	circle    int    // in a circle: its index
	includes  []join // read when the file is done, so that its own rules come first
	stacks    []join // read after the includes
}

// role is what a file may say.
type role int

const (
	itself role = iota // the policy
	included
	stacked
)

type section int

const (
	inHeader section = iota
	inRules
	inCircle
	inReplicate
	inTest
	inUnknown // after a section line with a mistake: what follows is not looked at
)

const generalList = -1

// parseFile reads one file, then what it includes, then what it stacks.
func (p *parser) parseFile(s source, src []byte) {
	outer := p.source
	p.source = s
	p.order = append(p.order, s.file)
	for len(src) > 0 {
		line, rest, _ := bytes.Cut(src, []byte("\n"))
		src = rest
		p.line++
		p.parseLine(bytes.TrimSuffix(line, []byte("\r")))
	}
	for _, j := range p.includes {
		p.include(j)
	}
	for _, j := range p.stacks {
		p.stack(j)
	}
	p.source = outer
}

func (p *parser) parseLine(line []byte) {
	if len(line) > MaxLine {
		p.errorf(1, fmt.Sprintf("at most %d bytes", MaxLine), "the line has %d bytes", len(line))
		return
	}
	if i := bytes.IndexByte(line, 0); i >= 0 {
		p.errorf(i+1, "text", "NUL")
		return
	}
	if i := invalidUTF8(line); i >= 0 {
		want := fmt.Sprintf(`UTF-8 text (in a path, the byte as an escape between quotes: "\x%02x")`, line[i])
		p.errorf(i+1, want, "byte %#02x is not UTF-8", line[i])
		return
	}
	words, ok := p.words(string(line))
	if !ok || len(words) == 0 {
		return
	}
	p.parseWords(words)
}

func (p *parser) parseWords(words []word) {
	if first := words[0]; !first.quoted && first.text[0] == '@' {
		p.parseSection(words)
		return
	}
	switch p.section {
	case inHeader:
		p.parseHeader(words)
	case inRules:
		p.parseRule(words)
	case inCircle:
		p.parseReserve(words)
	case inReplicate:
		p.parseReplicate(words)
	case inTest:
		p.parseExpectation(words)
	}
}

func invalidUTF8(line []byte) int {
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRune(line[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// pos gives a place in the current line.
func (p *parser) pos(col int) Pos { return Pos{File: p.file, Line: p.line, Col: col} }

// errorf notes a mistake in the current line.
func (p *parser) errorf(col int, expected, format string, args ...any) {
	p.errorAt(p.pos(col), expected, format, args...)
}

func (p *parser) errorAt(pos Pos, expected, format string, args ...any) {
	p.errs = append(p.errs, &Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Expected: expected})
}

// sortErrors orders by file (the policy first), line and column. What a file has wrong is told once, however often the
// file was read.
func (p *parser) sortErrors() {
	rank := map[string]int{}
	for i, f := range p.order {
		if _, ok := rank[f]; !ok {
			rank[f] = i
		}
	}
	sort.SliceStable(p.errs, func(i, j int) bool {
		a, b := p.errs[i].Pos, p.errs[j].Pos
		if a.File != b.File {
			return rank[a.File] < rank[b.File]
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Col < b.Col
	})
	p.errs = slices.CompactFunc(p.errs, func(a, b *Error) bool { return *a == *b })
}

// args gives the words behind the first if there are as many as usage wants (max < 0: any number).
func (p *parser) args(words []word, least, most int, usage string) ([]word, bool) {
	args := words[1:]
	if len(args) < least {
		last := words[len(words)-1]
		p.errorf(last.col, usage, "%s is not complete", words[0].text)
		return nil, false
	}
	if most >= 0 && len(args) > most {
		p.errorf(args[most].col, usage, "%q is one word too many", args[most].text)
		return nil, false
	}
	for _, w := range args {
		if w.star {
			p.errorf(w.col, usage, "* behind a closing quote")
			return nil, false
		}
	}
	return args, true
}
