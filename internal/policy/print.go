package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// String writes the policy in its own language, includes joined. ParseWith reads the same policy from it, given the same
// stacked files.
func (p *Policy) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "application %s\n", p.Application)
	if len(p.Users) > 0 {
		b.WriteString("users")
		for _, u := range p.Users {
			b.WriteString(" " + u.String())
		}
		b.WriteString("\n")
	}
	if p.Compartment != "" {
		fmt.Fprintf(&b, "compartment %s\n", p.Compartment)
	}
	if !p.Seal {
		b.WriteString("seal off\n")
	}
	if p.OwnProcesses {
		b.WriteString("processes own\n")
	}
	for _, l := range p.Stack {
		fmt.Fprintf(&b, "stack %s\n", l.Name)
	}
	for _, pub := range p.Publish {
		b.WriteString(pub.String() + "\n")
	}
	p.RuleSet.print(&b)
	p.printCircles(&b)
	lines(&b, "@replicate", p.Replicate)
	lines(&b, "@test", p.Tests)
	return b.String()
}

func (s RuleSet) print(b *strings.Builder) {
	if len(s.General.Files)+len(s.General.Sockets) > 0 {
		b.WriteString("\n@general\n" + s.General.String())
	}
	for _, l := range s.PerUser {
		fmt.Fprintf(b, "\n@user %s\n%s", l.User, l.Rules)
	}
}

// printCircles leaves out what a stacked policy reserves: that is in its own file. The section stands nevertheless, so
// that circles keep their order.
func (p *Policy) printCircles(b *strings.Builder) {
	for _, c := range p.Circles {
		fmt.Fprintf(b, "\n@circle %s\n", c.Owner)
		for _, r := range c.Reserves {
			if r.Layer == "" {
				b.WriteString(r.String() + "\n")
			}
		}
	}
}

// lines writes a section, if there is something in it.
func lines[L fmt.Stringer](b *strings.Builder, section string, list []L) {
	if len(list) == 0 {
		return
	}
	b.WriteString("\n" + section + "\n")
	for _, l := range list {
		b.WriteString(l.String() + "\n")
	}
}

// String gives the rules, one a line.
func (r Rules) String() string {
	var b strings.Builder
	for _, f := range r.Files {
		b.WriteString(f.String() + "\n")
	}
	for _, s := range r.Sockets {
		b.WriteString(s.String() + "\n")
	}
	return b.String()
}

// String gives the rule as a line of a policy.
func (r FileRule) String() string { return "file " + quote(r.Path) + " " + r.words() }

// words gives what the rule says of its path.
func (r FileRule) words() string {
	var list []string
	if r.Perm != None {
		list = append(list, r.Perm.String())
	}
	if r.Immutable {
		list = append(list, "immutable")
	}
	if r.Revocable {
		list = append(list, "revocable")
	}
	if len(list) == 0 {
		return None.String()
	}
	return strings.Join(list, " ")
}

// String gives the line of the policy.
func (r Reserve) String() string { return "reserve " + quote(r.Path) + " " + r.Perm.String() }

// String gives the line of the policy.
func (e Expectation) String() string {
	line := "refuse "
	if e.Allowed {
		line = "allow "
	}
	if e.File != nil {
		line += e.File.String()
	} else {
		line += e.Socket.String()
	}
	if e.User != "" {
		line += " as " + e.User
	}
	return line
}

// String gives the rule as a line of a policy.
func (r SocketRule) String() string {
	return fmt.Sprintf("socket %s %s %s", r.Protocol, r.Action, r.Address())
}

// Address gives what the rule is about: :80, 10.0.0.0/24:5432, @name*.
func (r SocketRule) Address() string {
	if r.Protocol == Unix {
		return r.abstract()
	}
	port := "*"
	if r.Port != 0 {
		port = strconv.Itoa(int(r.Port))
	}
	host := ""
	if r.Net.IsValid() {
		host = r.Net.String()
		if r.Net.IsSingleIP() {
			host = r.Net.Addr().String()
		}
		if r.Net.Addr().Is6() {
			host = "[" + host + "]"
		}
	}
	return host + ":" + port
}

func (r SocketRule) abstract() string {
	s := "@" + r.Abstract
	if q := quote(s); q != s || strings.HasSuffix(s, "*") {
		s = strconv.Quote(s)
	}
	if r.Prefix {
		s += "*"
	}
	return s
}

// String gives the line of the policy.
func (p Publish) String() string {
	return fmt.Sprintf("publish %s %s -> %d", p.Protocol, p.Host, p.Port)
}

// String gives the line of the policy.
func (r Replicate) String() string {
	src := quote(r.Source)
	return src + " -> " + quote(r.Destination)
}
