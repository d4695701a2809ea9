package policy

import (
	"regexp"
	"strconv"
	"sync"
)

var headerWords = []string{"application", "users", "compartment", "include", "stack", "seal", "processes", "publish"}

// parseHeader reads a line before the first section.
func (p *parser) parseHeader(words []word) {
	switch first := words[0]; first.text {
	case "application":
		p.parseApplication(words)
	case "users":
		p.parseUsers(words)
	case "compartment":
		p.parseCompartment(words)
	case "include":
		p.parseInclude(words)
	case "stack":
		p.parseStack(words)
	case "seal":
		p.parseSeal(words)
	case "processes":
		p.parseProcesses(words)
	case "publish":
		p.parsePublish(words)
	case "file", "socket":
		p.errorf(first.col, "@general or @user NAME above it", "a rule outside a section")
	default:
		p.errorf(first.col, oneOf(headerWords)+", or a section"+suggest(first.text, headerWords), "unknown word %q", first.text)
	}
}

// once notes that a header line may stand once, and only in the policy itself.
func (p *parser) once(w word) bool {
	if !p.own(w) {
		return false
	}
	if at, ok := p.headers[w.text]; ok {
		p.errorf(w.col, "one (the first is in line "+strconv.Itoa(at.Line)+")", "a second %s line", w.text)
		return false
	}
	p.headers[w.text] = p.pos(w.col)
	return true
}

// own reports a line that only the policy itself may have.
func (p *parser) own(w word) bool {
	switch p.role {
	case included:
		p.errorf(w.col, "only rules, circles and includes", "%s in an included file", w.text)
	case stacked:
		p.errorf(w.col, "only rules, circles, includes and stack lines", "%s in a stacked file", w.text)
	}
	return p.role == itself
}

const nameForm = "letters, digits and . _ -, at most 64, a letter or digit first"

// Expressions are compiled when they are first needed: klw-runc, which links this package, pays for none of them in a
// container without a policy.
var nameRE = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`) })

// name reads the one argument of a line that is a name.
func (p *parser) name(words []word, usage string) (string, bool) {
	args, ok := p.args(words, 1, 1, usage)
	if !ok {
		return "", false
	}
	if !nameRE().MatchString(args[0].text) {
		p.errorf(args[0].col, nameForm, "%q is not a name", args[0].text)
		return "", false
	}
	return args[0].text, true
}

func (p *parser) parseApplication(words []word) {
	if !p.once(words[0]) {
		return
	}
	if name, ok := p.name(words, "application NAME"); ok {
		p.policy.Application = name
	}
}

func (p *parser) parseCompartment(words []word) {
	if !p.once(words[0]) {
		return
	}
	if name, ok := p.name(words, "compartment NAME"); ok {
		p.policy.Compartment = name
	}
}

func (p *parser) parseSeal(words []word) {
	if !p.once(words[0]) {
		return
	}
	args, ok := p.args(words, 1, 1, "seal on or seal off")
	if !ok {
		return
	}
	switch args[0].text {
	case "on":
	case "off":
		p.policy.Seal = false
	default:
		p.errorf(args[0].col, "on or off", "%q", args[0].text)
	}
}

func (p *parser) parseProcesses(words []word) {
	if !p.once(words[0]) {
		return
	}
	args, ok := p.args(words, 1, 1, "processes own or processes all")
	if !ok {
		return
	}
	switch args[0].text {
	case "own":
		p.policy.OwnProcesses = true
	case "all":
	default:
		p.errorf(args[0].col, "own or all", "%q", args[0].text)
	}
}

func (p *parser) parseUsers(words []word) {
	if !p.once(words[0]) {
		return
	}
	args, ok := p.args(words, 1, -1, "users NAME-OR-UID …")
	if !ok {
		return
	}
	for _, w := range args {
		u, ok := p.user(w)
		if !ok {
			continue
		}
		if p.users[u.plain()] {
			p.errorf(w.col, "each user once", "%s is listed twice", u)
			continue
		}
		p.users[u.plain()] = true
		p.policy.Users = append(p.policy.Users, u)
	}
}

var (
	userRE   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,254}\$?$`) })
	numberRE = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]+$`) })
)

// user reads a user's name or number.
func (p *parser) user(w word) (User, bool) {
	u := User{Pos: p.pos(w.col)}
	if numberRE().MatchString(w.text) {
		id, err := strconv.ParseUint(w.text, 10, 32)
		if err != nil || id == 1<<32-1 {
			p.errorf(w.col, "a number from 0 to 4294967294", "%s is not a user id", w.text)
			return u, false
		}
		u.ID, u.HasID = uint32(id), true
		return u, true
	}
	if !userRE().MatchString(w.text) {
		p.errorf(w.col, "a user's name or number", "%q is not a user", w.text)
		return u, false
	}
	u.Name = w.text
	return u, true
}
