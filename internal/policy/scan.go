package policy

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLine is the longest line that a policy may have, in bytes.
const MaxLine = 64 << 10

// word is one word of a line.
type word struct {
	text   string // what it means, escapes resolved
	col    int    // where it starts, from 1
	quoted bool
	star   bool // a quoted word with a * behind the closing quote
}

// words cuts a line into its words, up to a comment. What is wrong with the line is reported; ok is then false.
func (p *parser) words(line string) (list []word, ok bool) {
	for i := 0; ; {
		for i < len(line) && isBlank(line[i]) {
			i++
		}
		if i == len(line) || line[i] == '#' {
			return list, true
		}
		var w word
		var n int
		if line[i] == '"' {
			w, n, ok = p.quoted(line[i:], i+1)
		} else {
			w, n, ok = p.bare(line[i:], i+1)
		}
		if !ok {
			return nil, false
		}
		list = append(list, w)
		i += n
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// bare reads a word without quotes: printable characters except quote and backslash.
func (p *parser) bare(s string, col int) (word, int, bool) {
	n := strings.IndexAny(s, " \t")
	if n < 0 {
		n = len(s)
	}
	for i, r := range s[:n] {
		if r == '"' || r == '\\' {
			p.errorf(col+i, `a word between quotes: "…"`, "%q inside a word without quotes", r)
			return word{}, 0, false
		}
		if !printable(r) {
			p.errorf(col+i, `a word between quotes with an escape for it`, "the character %s", name(r))
			return word{}, 0, false
		}
	}
	return word{text: s[:n], col: col}, n, true
}

// quoted reads a word between quotes with Go's escapes, and a * directly behind it.
func (p *parser) quoted(s string, col int) (word, int, bool) {
	var text strings.Builder
	i := 1
	for {
		if i == len(s) {
			p.errorf(col, `a closing quote on the same line`, "the quote is never closed")
			return word{}, 0, false
		}
		if s[i] == '"' {
			i++
			break
		}
		r, multi, rest, err := strconv.UnquoteChar(s[i:], '"')
		if err != nil {
			p.errorf(col+i, `\\, \", \t, \n, \xFF, \377 or \u1234`, "not an escape")
			return word{}, 0, false
		}
		if s[i] != '\\' && !printable(r) && r != ' ' {
			p.errorf(col+i, "an escape for it", "the character %s", name(r))
			return word{}, 0, false
		}
		if r == 0 {
			p.errorf(col+i, "a name without NUL: no path has one", "NUL")
			return word{}, 0, false
		}
		if multi || r < utf8.RuneSelf {
			text.WriteRune(r)
		} else {
			text.WriteByte(byte(r))
		}
		i = len(s) - len(rest)
	}
	w := word{text: text.String(), col: col, quoted: true}
	if i < len(s) && s[i] == '*' {
		w.star = true
		i++
	}
	if i < len(s) && !isBlank(s[i]) {
		p.errorf(col+i, "a blank after the closing quote", "%q", firstRune(s[i:]))
		return word{}, 0, false
	}
	return w, i, true
}

// printable tells whether a character may stand in a policy as it is. Blanks other than the blank, control characters
// and those that change the direction of writing may not: a reader would not see them.
func printable(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

func name(r rune) string { return strconv.QuoteRuneToASCII(r) }

func firstRune(s string) rune { r, _ := utf8.DecodeRuneInString(s); return r }

// quote writes a word so that words reads the same text again.
func quote(s string) string {
	bare := s != "" && s[0] != '#' && utf8.ValidString(s)
	for _, r := range s {
		if r == '"' || r == '\\' || !printable(r) {
			bare = false
		}
	}
	if bare {
		return s
	}
	return strconv.Quote(s)
}
