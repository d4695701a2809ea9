package policy

import "fmt"

// check looks for what only the whole policy shows.
func (p *parser) check() {
	p.checkApplication()
	p.checkPublish()
	immutable := map[string]Pos{}
	for module := range len(p.policy.Stack) + 1 {
		p.checkNone(module)
		p.checkImmutable(module, immutable)
	}
	p.checkReserved(immutable)
}

func (p *parser) checkApplication() {
	if _, ok := p.headers["application"]; !ok {
		p.errorAt(Pos{File: p.policy.Name, Line: 1, Col: 1}, "application NAME", "no application line")
	}
}

// checkPublish wants that the application may listen on what is published: a published port that nobody can open is a
// mistake, and the kernel's refusal would be far from its cause.
func (p *parser) checkPublish() {
	if len(p.policy.Publish) == 0 {
		return
	}
	for module := range len(p.policy.Stack) + 1 {
		open := p.set(module).listening()
		for _, pub := range p.policy.Publish {
			if open[port{pub.Protocol, 0}] || open[port{pub.Protocol, pub.Port}] {
				continue
			}
			where, expected := "", "a rule"
			if module > 0 {
				where, expected = " in the stacked "+p.policy.Stack[module-1].Name, "a rule there"
			}
			p.errorAt(pub.Pos, fmt.Sprintf("%s: socket %s listen :%d", expected, pub.Protocol, pub.Port),
				"port %d is published but nothing may listen on it%s", pub.Port, where)
		}
	}
}

// port is a port of a protocol, 0 is every one.
type port struct {
	protocol Protocol
	number   uint16
}

// listening gives the ports that somebody may listen on.
func (s *RuleSet) listening() map[port]bool {
	open := map[port]bool{}
	for _, l := range s.lists() {
		for _, r := range l.Sockets {
			if r.Action == Listen {
				open[port{r.Protocol, r.Port}] = true
			}
		}
	}
	return open
}

func (s *RuleSet) lists() []*Rules {
	lists := []*Rules{&s.General}
	for i := range s.PerUser {
		lists = append(lists, &s.PerUser[i].Rules)
	}
	return lists
}

// checkNone refuses a "none" of a user for a path that the general list gives something on: a user's permissions for a
// path are those of both lists together, so that the "none" would say nothing.
func (p *parser) checkNone(module int) {
	set := p.set(module)
	for _, l := range set.PerUser {
		for _, r := range l.Files {
			i, ok := p.files[fileKey{module, generalList, r.Path}]
			if !ok || !r.none() {
				continue
			}
			if g := set.General.Files[i]; g.Perm != None {
				p.errorAt(r.Pos, "a longer path: for the same path, what @general and @user give joins",
					"none for %s has no effect, @general gives %s at %s", quote(r.Path), g.Perm, g.Pos.Rule())
			}
		}
	}
}

// checkImmutable refuses rules that give write on what another of their module says is immutable, and adds that to all
// that is.
func (p *parser) checkImmutable(module int, all map[string]Pos) {
	own := map[string]Pos{}
	for _, r := range p.set(module).General.Files {
		if r.Immutable {
			own[r.Path], all[r.Path] = r.Pos, r.Pos
		}
	}
	if len(own) == 0 {
		return
	}
	for _, l := range p.set(module).lists() {
		for _, r := range l.Files {
			if by, ok := nearest(own, r.Path); ok && r.Perm&Write != 0 {
				p.errorAt(r.Pos, "a rule without write, or immutable for less", "write for %s, which is immutable (%s)", quote(r.Path), by.Rule())
			}
		}
	}
}

// checkReserved refuses to reserve what nobody may write.
func (p *parser) checkReserved(immutable map[string]Pos) {
	for _, c := range p.policy.Circles {
		for _, r := range c.Reserves {
			if by, ok := nearest(immutable, r.Path); ok {
				p.errorAt(r.Pos, "a path that its owner may write", "%s is immutable (%s), there is no writing to reserve", quote(r.Path), by.Rule())
			}
		}
	}
}
