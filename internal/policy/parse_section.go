package policy

import (
	"fmt"
	"slices"
)

var sectionWords = []string{"@general", "@user", "@circle", "@replicate", "@test"}

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
			p.section, p.list = inRules, p.userList(u)
		}
	case "@circle":
		args, ok := p.args(words, 1, 1, "@circle NAME or @circle UID")
		if !ok {
			return
		}
		if u, ok := p.user(args[0]); ok {
			p.section, p.circle = inCircle, p.circleOf(u)
		}
	case "@replicate":
		if _, ok := p.args(words, 0, 0, "@replicate alone"); ok && p.own(first) {
			p.section = inReplicate
		}
	case "@test":
		if _, ok := p.args(words, 0, 0, "@test alone"); ok && p.own(first) {
			p.section = inTest
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
	default:
		p.misplaced(first, ruleWords, "rule")
	}
}

// misplaced reports a line that doesn't begin with one of the words that a section has.
func (p *parser) misplaced(first word, words []string, what string) {
	switch {
	case slices.Contains(headerWords, first.text):
		p.errorf(first.col, "it above the first section", "%s inside a section", first.text)
	case slices.Contains(ruleWords, first.text):
		p.errorf(first.col, "@general or @user NAME above it", "a rule in a section of something else")
	default:
		p.errorf(first.col, oneOf(words)+suggest(first.text, words), "unknown %s %q", what, first.text)
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
	if old, ok := p.sources.meets(r.Source); ok {
		p.errorf(words[0].col, "sources apart from each other", "%s and %s (line %d) overlap", quote(r.Source), quote(old.path), old.pos.Line)
		return
	}
	if old, ok := p.replicas.meets(r.Destination); ok {
		p.errorf(words[2].col, "a destination for each source", "%s and %s (line %d) overlap", quote(r.Destination), quote(old.path), old.pos.Line)
		return
	}
	p.sources.add(r.Source, r.Pos)
	p.replicas.add(r.Destination, r.Pos)
	p.policy.Replicate = append(p.policy.Replicate, r)
}

// listKey finds the rules of a user in a module.
type listKey struct {
	module int
	user   User // without Pos
}

// userList gives the index of a user's rules, which it begins if there are none yet.
func (p *parser) userList(u User) int {
	key, set := listKey{p.module, u.plain()}, p.set(p.module)
	i, known := p.lists[key]
	if !known {
		i = len(set.PerUser)
		p.lists[key] = i
		set.PerUser = append(set.PerUser, UserRules{User: u})
	}
	return i
}

// set gives the rules of a module.
func (p *parser) set(module int) *RuleSet {
	if module == 0 {
		return &p.policy.RuleSet
	}
	return &p.policy.Stack[module-1].RuleSet
}

// rules gives the list of the section being read.
func (p *parser) rules() *Rules {
	set := p.set(p.module)
	if p.list == generalList {
		return &set.General
	}
	return &set.PerUser[p.list].Rules
}

// where names the list of the section being read.
func (p *parser) where() string {
	if p.list == generalList {
		return "@general"
	}
	return fmt.Sprintf("@user %s", p.set(p.module).PerUser[p.list].User)
}
