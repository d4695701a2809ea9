package policy

import (
	"bytes"
	"fmt"
	"sort"
	"unicode/utf8"
)

// Parse reads a policy that includes nothing. name is what positions say. On any error the policy is nil and the error
// is an [ErrorList] with every mistake.
func Parse(name string, src []byte) (*Policy, error) { return ParseWith(name, src, nil) }

// ParseWith reads a policy and what it includes, which resolve finds.
func ParseWith(name string, src []byte, resolve Resolver) (*Policy, error) {
	p := &parser{
		policy:  &Policy{Name: name, Seal: true},
		resolve: resolve,
		headers: map[string]Pos{},
		files:   map[fileKey]int{},
		sockets: map[socketKey]Pos{},
		loaded:  map[string]bool{},
	}
	p.parseFile(name, src, nil)
	p.check()
	if len(p.errs) > 0 {
		p.sortErrors()
		return nil, p.errs
	}
	return p.policy, nil
}

// parser fills one policy from one or several files.
type parser struct {
	policy  *Policy
	resolve Resolver
	errs    ErrorList

	headers map[string]Pos    // header lines that may stand once
	files   map[fileKey]int   // index in the list
	sockets map[socketKey]Pos // first place
	loaded  map[string]bool   // includes already joined

	source          // the file being read
	order  []string // files in the order in which they were read
}

// source is the state inside one file.
type source struct {
	file      string
	line      int
	including []string // names of the includes that led here; nil for the policy itself
	section   section
	list      int       // in sections of rules: generalList or an index in PerUser
	includes  []include // read when the file is done, so that its own rules come first
}

type section int

const (
	inHeader section = iota
	inRules
	inReplicate
	inUnknown // after a section line with a mistake: what follows is not looked at
)

const generalList = -1

// parseFile reads one file, then what it includes.
func (p *parser) parseFile(name string, src []byte, including []string) {
	outer := p.source
	p.source = source{file: name, including: including}
	p.order = append(p.order, name)
	for len(src) > 0 {
		line, rest, _ := bytes.Cut(src, []byte("\n"))
		src = rest
		p.line++
		p.parseLine(bytes.TrimSuffix(line, []byte("\r")))
	}
	for _, inc := range p.includes {
		p.include(inc)
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
	case inReplicate:
		p.parseReplicate(words)
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

// sortErrors orders by file (the policy first), line and column.
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
