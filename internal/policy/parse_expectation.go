package policy

var (
	expectWords  = []string{"allow", "refuse"}
	subjectWords = []string{"file", "socket"}
)

const (
	expectFile   = "allow|refuse file PATH PERMISSION… [as USER]"
	expectSocket = "allow|refuse socket PROTOCOL ACTION ADDRESS [as USER]"
)

// question finds an expectation by what it asks.
type question struct {
	user   string
	file   FileRule
	socket SocketRule
}

// parseExpectation reads a line of @test.
func (p *parser) parseExpectation(words []word) {
	first := words[0]
	if first.text != "allow" && first.text != "refuse" {
		p.misplaced(first, expectWords, "expectation")
		return
	}
	args, ok := p.args(words, 1, -1, expectFile+", or "+expectSocket)
	if !ok {
		return
	}
	e := Expectation{Allowed: first.text == "allow", Pos: p.pos(first.col)}
	args, ok = p.asUser(args, &e)
	if !ok {
		return
	}
	switch args[0].text {
	case "file":
		ok = p.expectFile(args, &e)
	case "socket":
		ok = p.expectSocket(args, &e)
	default:
		p.errorf(args[0].col, oneOf(subjectWords)+suggest(args[0].text, subjectWords), "%q", args[0].text)
		return
	}
	if ok {
		p.expect(e, first.col)
	}
}

// asUser takes "as USER" off the end of an expectation.
func (p *parser) asUser(args []word, e *Expectation) ([]word, bool) {
	n := len(args) - 2
	if n < 1 || args[n].text != "as" || args[n].quoted {
		return args, true
	}
	u, ok := p.user(args[n+1])
	e.User = u.String()
	return args[:n], ok
}

func (p *parser) expectFile(words []word, e *Expectation) bool {
	args, ok := p.args(words, 2, -1, expectFile)
	if !ok {
		return false
	}
	f := FileRule{Path: args[0].text}
	ok = p.path(args[0], f.Path)
	for _, w := range args[1:] {
		bit := perms[w.text]
		if bit == None {
			known := []string{"read", "write", "execute"}
			p.errorf(w.col, oneOf(known)+suggest(w.text, known), "%q is nothing to ask for", w.text)
			return false
		}
		if f.Perm&bit != 0 {
			p.errorf(w.col, "each permission once", "%s is asked twice", w.text)
			return false
		}
		f.Perm |= bit
	}
	e.File = &f
	return ok
}

func (p *parser) expectSocket(words []word, e *Expectation) bool {
	args, ok := p.args(words, 3, 3, expectSocket)
	if !ok {
		return false
	}
	r, ok := p.socket(args)
	if !ok {
		return false
	}
	switch what := args[2]; {
	case r.Prefix:
		p.errorf(what.col, "one name", "%s is many names", quote(what.text))
	case r.Protocol != Unix && r.Port == 0:
		p.errorf(what.col, "one port", "%s is every port", quote(what.text))
	case r.Net.IsValid() && !r.Net.IsSingleIP():
		p.errorf(what.col, "one address", "%s is a network", quote(what.text))
	case r.Protocol != Unix && r.Action == Connect && !r.Net.IsValid():
		p.errorf(what.col, "an address before the colon", "%s is every address", quote(what.text))
	default:
		e.Socket = &r
		return true
	}
	return false
}

// expect adds an expectation. Asking the same twice is a mistake, whatever is expected.
func (p *parser) expect(e Expectation, col int) {
	q := question{user: e.User}
	if e.File != nil {
		q.file = *e.File
	} else {
		q.socket = *e.Socket
	}
	if old, known := p.asked[q]; known {
		p.errorf(col, "each question once", "the same is asked in line %d", old.Line)
		return
	}
	p.asked[q] = e.Pos
	p.policy.Tests = append(p.policy.Tests, e)
}
