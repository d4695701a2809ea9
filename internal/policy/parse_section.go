package policy

import "fmt"

var sectionWords = []string{"@general", "@user", "@replicate"}

// parseSection reads a line that begins a section.
func (p *parser) parseSection(words []word) {
	p.section = inUnknown
	switch first := words[0]; first.text {
	case "@general":
		if _, ok := p.args(words, 0, 0, "@general alone"); ok {
			p.section, p.list = inRules, generalList
		}
	case "@user":
		args, ok := p.args(words, 1, 1, "@user NAME or @user UID")
		if !ok {
			return
		}
		if u, ok := p.user(args[0]); ok {
			p.section, p.list = inRules, p.policy.userList(u)
		}
	case "@replicate":
		if _, ok := p.args(words, 0, 0, "@replicate alone"); ok && p.own(first) {
			p.section = inReplicate
		}
	default:
		p.errorf(first.col, oneOf(sectionWords)+suggest(first.text, sectionWords), "unknown section %q", first.text)
	}
}

var ruleWords = []string{"file", "socket"}

// parseRule reads a line of @general or @user.
func (p *parser) parseRule(words []word) {
	switch first := words[0]; first.text {
	case "file":
		p.parseFileRule(words)
	case "socket":
		p.parseSocketRule(words)
	case "application", "users", "compartment", "include", "seal", "publish":
		p.errorf(first.col, "it above the first section", "%s inside a section", first.text)
	default:
		p.errorf(first.col, oneOf(ruleWords)+suggest(first.text, ruleWords), "unknown rule %q", first.text)
	}
}

const replicateUsage = "/SOURCE -> DESTINATION"

// parseReplicate reads a line of @replicate.
func (p *parser) parseReplicate(words []word) {
	if len(words) != 3 || words[1].text != "->" || words[1].quoted || words[0].star || words[2].star {
		p.errorf(words[0].col, replicateUsage, "not a replication")
		return
	}
	r := Replicate{Source: words[0].text, Destination: words[2].text, Pos: p.pos(words[0].col)}
	ok := p.path(words[0], r.Source)
	if ok = p.destination(words[2]) && ok; !ok {
		return
	}
	for _, old := range p.policy.Replicate {
		if overlap(old.Source, r.Source) {
			p.errorf(words[0].col, "sources apart from each other", "%s and %s (line %d) overlap", r.Source, old.Source, old.Pos.Line)
			return
		}
		if overlap(old.Destination, r.Destination) {
			p.errorf(words[2].col, "a destination for each source", "%s and %s (line %d) overlap", r.Destination, old.Destination, old.Pos.Line)
			return
		}
	}
	p.policy.Replicate = append(p.policy.Replicate, r)
}

// userList gives the index of a user's rules, which it begins if there are none yet.
func (p *Policy) userList(u User) int {
	for i, l := range p.PerUser {
		if l.User.same(u) {
			return i
		}
	}
	p.PerUser = append(p.PerUser, UserRules{User: u})
	return len(p.PerUser) - 1
}

// rules gives the list of the section being read.
func (p *parser) rules() *Rules {
	if p.list == generalList {
		return &p.policy.General
	}
	return &p.policy.PerUser[p.list].Rules
}

// where names the list of the section being read.
func (p *parser) where() string {
	if p.list == generalList {
		return "@general"
	}
	return fmt.Sprintf("@user %s", p.policy.PerUser[p.list].User)
}
