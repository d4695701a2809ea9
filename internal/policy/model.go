package policy

import (
	"fmt"
	"net/netip"
	"strings"
)

// Pos is a place in a policy file. Line and Col start at 1; Col counts bytes.
type Pos struct {
	File string
	Line int
	Col  int
}

// String gives file:line:column.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Rule gives file:line, the form in which events name a rule.
func (p Pos) Rule() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Perm is what a file rule allows.
type Perm uint8

// The permissions. None is a rule that allows nothing: it cuts a hole into the rule of a directory above.
const (
	Read Perm = 1 << iota
	Write
	Execute
	None Perm = 0
)

// String gives the words of the policy language: "none", "read", "read write" …
func (p Perm) String() string {
	if p == None {
		return "none"
	}
	s := ""
	for _, w := range []struct {
		bit  Perm
		word string
	}{{Read, "read"}, {Write, "write"}, {Execute, "execute"}} {
		if p&w.bit != 0 {
			if s != "" {
				s += " "
			}
			s += w.word
		}
	}
	return s
}

// Policy is a whole policy: what one application may do.
type Policy struct {
	Name         string // of the file, as positions give it
	Application  string
	Compartment  string // "" is the default compartment
	Users        []User // who may run it; empty: anybody
	Seal         bool   // who gave up root doesn't get it back; on unless the policy says "seal off"
	OwnProcesses bool   // /proc shows each user his own processes only; off unless the policy says "processes own"
	RuleSet
	Stack     []Layer  // further modules: what one of them refuses is refused
	Circles   []Circle // of the policy and of all that it includes and stacks
	Publish   []Publish
	Replicate []Replicate
	Tests     []Expectation
}

// RuleSet is what one module decides by.
type RuleSet struct {
	General Rules
	PerUser []UserRules
}

// Layer is a stacked policy: a module of its own, whose refusals add up with the others'. What it doesn't allow is
// refused, whatever the rest says.
type Layer struct {
	Name string // as the line "stack NAME" gives it
	RuleSet
	Pos Pos // of that line
}

// Circle reserves files for one user, root included (MISSION.md C1): it takes from everybody else, and gives nothing.
type Circle struct {
	Owner    User
	Reserves []Reserve // the policy's own first
}

// Reserve keeps a path and all below it for a circle's owner. A path is in one circle at most (C2).
type Reserve struct {
	Path string // absolute and clean, as seen in the container
	Perm Perm   // Write: others may read as far as rules allow; Read|Write: others have nothing. Never Execute

	// Layer is the stacked policy that the line comes from; "" is the policy itself and what that includes.
	Layer string

	Pos Pos
}

// Expectation is a line of @test: what the policy's author expects it to answer.
type Expectation struct {
	Allowed bool
	User    string // name or number; "" for somebody without rules of his own

	// One of the two is asked about.
	File   *FileRule   // Path and the permissions asked for
	Socket *SocketRule // Net is a single address, or invalid for "any of mine" when listening; Port is one port

	Pos Pos
}

// User is a user as a policy names one. Exactly one of the two is given: ID if HasID, else Name, to be looked up in
// the container's own /etc/passwd.
type User struct {
	Name  string
	ID    uint32
	HasID bool
	Pos   Pos
}

// Rules is a list of rules for everybody (@general) or one user (@user).
type Rules struct {
	Files   []FileRule
	Sockets []SocketRule
}

// UserRules are the rules that a user has besides the general ones.
type UserRules struct {
	User User
	Rules
}

// FileRule gives a permission on a path and all below it. The rule with the longest path (whole components) wins.
type FileRule struct {
	Path string // absolute and clean, as seen in the container
	Perm Perm

	// Immutable: nobody changes what is there, and no rule of the same module, for a longer path or for a user, may give
	// write on it.
	Immutable bool
	// Revocable: what is open can be taken away by a later policy, at the price of data going through the guard.
	Revocable bool

	Pos Pos
}

// SocketAction is what a socket rule allows.
type SocketAction uint8

// Listen covers bind, and what comes in; Connect covers connect, sending to an address, and the answers.
const (
	Listen SocketAction = iota + 1
	Connect
)

// String gives the word of the policy language.
func (a SocketAction) String() string {
	if a == Listen {
		return "listen"
	}
	return "connect"
}

// Protocol of a socket rule.
type Protocol uint8

// The protocols. Unix is abstract names only: socket files are the file rules' matter.
const (
	TCP Protocol = iota + 1
	UDP
	Unix
)

// String gives the word of the policy language.
func (p Protocol) String() string { return [...]string{"", "tcp", "udp", "unix"}[p] }

// SocketRule allows an action. There are no refusing socket rules: what no rule allows is refused.
//
//	socket tcp listen  :80              every address, one port
//	socket tcp connect 10.0.0.0/24:5432 a network (IPv6: [fd00::/8]:443), one port
//	socket udp connect 10.0.0.53:*      any port
//	socket unix connect @name           an abstract name; a trailing * makes it a prefix
type SocketRule struct {
	Protocol Protocol
	Action   SocketAction
	Net      netip.Prefix // the zero Prefix: every address of both families
	Port     uint16       // 0: every port
	Abstract string       // Unix: the name without @
	Prefix   bool         // Unix: Abstract is a prefix
	Pos      Pos
}

// Publish makes a port of the container reachable on an address of the host:
//
//	publish tcp 127.0.0.1:8080 -> 80
type Publish struct {
	Protocol Protocol
	Host     netip.AddrPort
	Port     uint16
	Pos      Pos
}

// Replicate names a replicated folder: Source as seen in the container, Destination on the host (absolute, or relative
// to the policy's own folder).
type Replicate struct {
	Source      string
	Destination string
	Pos         Pos
}

// Error is one mistake in a policy.
type Error struct {
	Pos      Pos
	Msg      string // what is wrong
	Expected string // what would be right
}

// Error gives file:line:column: what, expected what.
func (e *Error) Error() string {
	if e.Expected == "" {
		return fmt.Sprintf("%s: %s", e.Pos, e.Msg)
	}
	return fmt.Sprintf("%s: %s, expected %s", e.Pos, e.Msg, e.Expected)
}

// ErrorList is every mistake of a policy, in order of lines.
type ErrorList []*Error

// Error gives one line for each mistake.
func (l ErrorList) Error() string {
	var b strings.Builder
	for i, e := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Error())
	}
	return b.String()
}
