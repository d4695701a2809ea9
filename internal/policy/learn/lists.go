package learn

import (
	"maps"
	"path"

	"klw/internal/policy"
)

// lists are file rules by path: those for everybody, and each user's.
type lists struct {
	general rules
	user    map[uint32]rules
}

type rules map[string]policy.Perm

func newLists() *lists { return &lists{rules{}, map[uint32]rules{}} }

func (l *lists) clone() *lists {
	c := &lists{maps.Clone(l.general), map[uint32]rules{}}
	for uid, r := range l.user {
		c.user[uid] = maps.Clone(r)
	}
	return c
}

// add joins a permission to a list; Everybody's is the general one.
func (l *lists) add(uid uint32, p string, perm policy.Perm) {
	r := l.general
	if uid != Everybody {
		if r = l.user[uid]; r == nil {
			r = rules{}
			l.user[uid] = r
		}
	}
	r[p] |= perm
}

// has gives what a user has at a path: by the longest rule above it, of both lists together.
func (l *lists) has(uid uint32, p string) policy.Perm {
	_, perm := l.governing(uid, p)
	return perm
}

// governing gives the path of that rule too, "" if there is none.
func (l *lists) governing(uid uint32, p string) (string, policy.Perm) {
	own := l.user[uid]
	for {
		g, general := l.general[p]
		o, mine := own[p]
		if general || mine {
			return p, g | o
		}
		if p == "/" {
			return "", policy.None
		}
		p = path.Dir(p)
	}
}

// inForce are the rules that the policy has, with the links in their paths followed, and where it closes something.
type inForce struct {
	*lists
	closed  []closing
	onWay   map[string]bool // symbolic links on the way of rules
	sockets map[uint32][]policy.SocketRule
}

// closing is a place that the policy closes on purpose.
type closing struct {
	path  string
	owner uint32      // who isn't meant; Everybody: nobody is excepted
	only  uint32      // the one who is meant, or Everybody
	perm  policy.Perm // what is closed
	rule  string      // file:line and the rule's words
}

// readPolicy takes the rules out of the policy in force.
func readPolicy(o Options) (*inForce, error) {
	f := &inForce{lists: newLists(), onWay: map[string]bool{}, sockets: map[uint32][]policy.SocketRule{}}
	f.take(o, Everybody, o.Rules.General)
	for _, l := range o.Rules.PerUser {
		uid, err := o.UID(l.User)
		if err != nil {
			return nil, err
		}
		f.take(o, uid, l.Rules)
	}
	for _, c := range o.Circles {
		uid, err := o.UID(c.Owner)
		if err != nil {
			return nil, err
		}
		for _, r := range c.Reserves {
			at, _ := o.follow(r.Path)
			f.closed = append(f.closed, closing{at, uid, Everybody, r.Perm, r.Pos.Rule() + " reserves it"})
		}
	}
	return f, nil
}

func (f *inForce) take(o Options, uid uint32, list policy.Rules) {
	f.sockets[uid] = append(f.sockets[uid], list.Sockets...)
	for _, r := range list.Files {
		at, links := o.follow(r.Path)
		for _, l := range links {
			f.onWay[l] = true
		}
		f.add(uid, at, r.Perm)
		switch {
		case r.Perm == policy.None:
			f.closed = append(f.closed, closing{at, Everybody, uid, all, r.Pos.Rule() + " says none"})
		case r.Immutable:
			f.closed = append(f.closed, closing{at, Everybody, Everybody, policy.Write, r.Pos.Rule() + " makes it immutable"})
		}
	}
}

const all = policy.Read | policy.Write | policy.Execute

// closes gives what closes a permission on a path for a user, or nil. A rule below a "none", or one of the user's own,
// opens again.
func (f *inForce) closes(uid uint32, p string, perm policy.Perm) *closing {
	for i := range f.closed {
		c := &f.closed[i]
		if !policy.Below(p, c.path) || perm&c.perm == 0 || c.owner == uid && uid != Everybody || c.only != Everybody && c.only != uid {
			continue
		}
		if c.perm == all && c.owner == Everybody { // a none: only where it is the rule that decides
			at, has := f.governing(uid, p)
			if at != c.path || has != policy.None {
				continue
			}
		}
		return c
	}
	return nil
}

// touches tells whether a rule for a folder would have to do with something that is closed on purpose.
func (f *inForce) touches(dir string) bool {
	for _, c := range f.closed {
		if policy.Below(c.path, dir) || policy.Below(dir, c.path) {
			return true
		}
	}
	return false
}

// ruledAt tells whether a rule is about that very path.
func (l *lists) ruledAt(p string) bool {
	if _, ok := l.general[p]; ok {
		return true
	}
	for _, r := range l.user {
		if _, ok := r[p]; ok {
			return true
		}
	}
	return false
}
