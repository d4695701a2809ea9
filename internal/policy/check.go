package policy

import "fmt"

// check looks for what only the whole policy shows.
func (p *parser) check() {
	p.checkApplication()
	p.checkPublish()
	p.checkNone()
}

func (p *parser) checkApplication() {
	if _, ok := p.headers["application"]; !ok {
		p.errorAt(Pos{File: p.policy.Name, Line: 1, Col: 1}, "application NAME", "no application line")
	}
}

// checkPublish wants that the application may listen on what is published: a published port that nobody can open is a
// mistake, and the kernel's refusal would be far from its cause.
func (p *parser) checkPublish() {
	for _, pub := range p.policy.Publish {
		if !p.policy.listens(pub.Protocol, pub.Port) {
			p.errorAt(pub.Pos, fmt.Sprintf("a rule: socket %s listen :%d", pub.Protocol, pub.Port),
				"port %d is published but nothing may listen on it", pub.Port)
		}
	}
}

func (p *Policy) listens(proto Protocol, port uint16) bool {
	for _, l := range p.lists() {
		for _, r := range l.Sockets {
			if r.Protocol == proto && r.Action == Listen && (r.Port == 0 || r.Port == port) {
				return true
			}
		}
	}
	return false
}

func (p *Policy) lists() []*Rules {
	lists := []*Rules{&p.General}
	for i := range p.PerUser {
		lists = append(lists, &p.PerUser[i].Rules)
	}
	return lists
}

// checkNone refuses a "none" of a user for a path that the general list gives something on: a user's permissions for a
// path are those of both lists together, so that the "none" would say nothing.
func (p *parser) checkNone() {
	for _, l := range p.policy.PerUser {
		for _, r := range l.Files {
			i, ok := p.files[fileKey{generalList, r.Path}]
			if !ok || r.Perm != None {
				continue
			}
			if g := p.policy.General.Files[i]; g.Perm != None {
				p.errorAt(r.Pos, "a longer path: for the same path, what @general and @user give joins",
					"none for %s has no effect, @general gives %s at %s", quote(r.Path), g.Perm, g.Pos.Rule())
			}
		}
	}
}
