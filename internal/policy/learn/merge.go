package learn

import (
	"fmt"
	"slices"
	"strings"

	"klw/internal/policy"
)

// Merge puts a proposal into the text of the policy in force, of which p was parsed, and gives the new text.
func Merge(text string, p *policy.Policy, proposal *Proposal) string {
	e := &editor{p: p, after: map[int][]string{}}
	for l := range strings.Lines(text) {
		e.lines = append(e.lines, strings.TrimSuffix(l, "\n"))
	}
	e.users(proposal)
	e.section(policy.User{}, p.General, proposal.General, true)
	for _, l := range proposal.PerUser {
		e.section(l.User, e.rulesOf(l.User), l.Lines, false)
	}
	e.omitted(proposal)
	return e.text()
}

// editor changes a text whose line numbers are the parser's until the end, when what was gathered is put in.
type editor struct {
	lines []string
	p     *policy.Policy
	after map[int][]string // new lines by the number of the line that they follow
	end   []string         // new sections
}

func (e *editor) users(proposal *Proposal) {
	if len(e.p.Users) > 0 || len(proposal.Users) == 0 || hasRules(e.p) {
		return
	}
	text := "users"
	for _, u := range proposal.Users {
		text += " " + u.String()
	}
	for i, l := range e.lines {
		if firstWord(l) == "application" {
			e.after[i+1] = append(e.after[i+1], text)
			return
		}
	}
}

func hasRules(p *policy.Policy) bool {
	return len(p.PerUser)+len(p.General.Files)+len(p.General.Sockets)+len(p.Stack) > 0
}

func (e *editor) rulesOf(u policy.User) policy.Rules {
	for _, l := range e.p.PerUser {
		if l.User.HasID == u.HasID && l.User.ID == u.ID && l.User.Name == u.Name {
			return l.Rules
		}
	}
	return policy.Rules{}
}

// section adds lines to the section of a list, or makes one.
func (e *editor) section(u policy.User, rules policy.Rules, lines []Line, general bool) {
	var fresh []string
	for _, l := range lines {
		if l.File == nil || !e.widen(rules, l) {
			fresh = append(fresh, l.String())
		}
	}
	if len(fresh) == 0 {
		return
	}
	if at := e.lastOf(u, general); at > 0 {
		e.after[at] = append(e.after[at], fresh...)
		return
	}
	head := "@general"
	if !general {
		head = "@user " + u.String()
	}
	e.end = append(append(e.end, "", head), fresh...)
}

// widen adds permission words to the line that the list has for that very path.
func (e *editor) widen(rules policy.Rules, l Line) bool {
	i := slices.IndexFunc(rules.Files, func(r policy.FileRule) bool {
		return r.Path == l.File.Path && r.Pos.File == e.p.Name
	})
	if i < 0 {
		return false
	}
	old := rules.Files[i]
	more := l.File.Perm &^ old.Perm
	at := &e.lines[old.Pos.Line-1]
	if more == policy.None {
		return true
	}
	body, comment := cutComment(*at)
	*at = insertWords(body, more.String())
	if comment != "" {
		*at += " " + comment
	}
	if l.Why != "" {
		if comment == "" {
			*at += " #"
		} else {
			*at += ";"
		}
		*at += " " + l.Why
	}
	return true
}

// insertWords puts permission words behind the last permission of a rule.
func insertWords(body, words string) string {
	body = strings.TrimRight(body, " \t\r")
	end := len(body)
	for {
		start := strings.LastIndexAny(body[:end], " \t") + 1
		switch body[start:end] {
		case "read", "write", "execute":
			return body[:end] + " " + words + body[end:]
		}
		end = len(strings.TrimRight(body[:start], " \t"))
		if end == 0 {
			return body + " " + words
		}
	}
}

// cutComment separates a line's comment: from a # that begins a word outside of quotes.
func cutComment(s string) (body, comment string) {
	quoted, blank := false, true
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '#' && blank && !quoted:
			return s[:i], s[i:]
		}
		blank = s[i] == ' ' || s[i] == '\t'
	}
	return s, ""
}

func firstWord(s string) string {
	body, _ := cutComment(s)
	if f := strings.Fields(body); len(f) > 0 {
		return f[0]
	}
	return ""
}

// lastOf gives the number of the last line with a rule in a list's last section, 0 if there is none.
func (e *editor) lastOf(u policy.User, general bool) (last int) {
	inside := false
	for i, l := range e.lines {
		body, _ := cutComment(l)
		f := strings.Fields(body)
		if len(f) == 0 {
			continue
		}
		if strings.HasPrefix(f[0], "@") {
			inside = general && f[0] == "@general" || !general && f[0] == "@user" && len(f) == 2 && strings.Trim(f[1], `"`) == u.String()
		}
		if inside {
			last = i + 1
		}
	}
	return last
}

func (e *editor) omitted(proposal *Proposal) {
	if len(proposal.Omitted) == 0 {
		return
	}
	e.end = append(e.end, "", "# Seen, but not proposed:")
	for _, o := range proposal.Omitted {
		e.end = append(e.end, "#   "+printable(o))
	}
}

// text puts the gathered lines in.
func (e *editor) text() string {
	var all []string
	for i, l := range e.lines {
		all = append(append(all, l), e.after[i+1]...)
	}
	if n := len(all); n > 0 && len(e.end) > 0 && strings.TrimSpace(all[n-1]) == "" {
		e.end = e.end[1:]
	}
	return strings.Join(append(all, e.end...), "\n") + "\n"
}

// String gives the line as it stands in a policy, with its reason.
func (l Line) String() string {
	var text string
	if l.File != nil {
		text = l.File.String()
	} else {
		text = l.Socket.String()
	}
	if l.Why == "" {
		return text
	}
	return fmt.Sprintf("%-40s # %s", text, printable(l.Why))
}
