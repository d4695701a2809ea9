package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// String writes the policy in its own language, includes joined. Parse reads the same policy from it.
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
	for _, pub := range p.Publish {
		b.WriteString(pub.String() + "\n")
	}
	if len(p.General.Files)+len(p.General.Sockets) > 0 {
		b.WriteString("\n@general\n" + p.General.String())
	}
	for _, l := range p.PerUser {
		fmt.Fprintf(&b, "\n@user %s\n%s", l.User, l.Rules)
	}
	if len(p.Replicate) > 0 {
		b.WriteString("\n@replicate\n")
		for _, r := range p.Replicate {
			b.WriteString(r.String() + "\n")
		}
	}
	return b.String()
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
func (r FileRule) String() string { return "file " + quote(r.Path) + " " + r.Perm.String() }

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
