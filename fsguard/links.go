package fsguard

import (
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

// checkLinks reports rules whose path goes through a symbolic link that somebody may replace. It may be the work of the
// application, which wants the rule to be about something else the next time. Rules count as they are written, too:
// where the link is now the application had what the rule gives.
func (b *binder) checkLinks(rules []boundRule) {
	for _, r := range rules {
		for _, l := range b.seen[r.Path].links {
			if w := b.writer(l); w != nil {
				b.errorf(r.Pos, r.path+", or no link there",
					"%s goes through the link %s, which %s (%s) lets the application replace: it could lead the rule anywhere",
					r.Path, l, w, w.Pos.Rule())
				break
			}
		}
	}
}

// writer gives a rule that lets somebody change a name, or nil.
func (b *binder) writer(path string) *policy.FileRule {
	return writerIn(slices.Concat(b.r.lists, b.written), path)
}

func writerIn(lists []*node, path string) *policy.FileRule {
	for _, t := range lists {
		if n := t.find(path, ""); n.allows()&policy.Write != 0 {
			return &n.rules[0]
		}
	}
	return nil
}

// plantWritten keeps a list as it is written, joined with another one.
func (b *binder) plantWritten(lists ...[]boundRule) {
	t := &node{}
	for _, l := range lists {
		for _, r := range l {
			t.add(r.Path, r.FileRule)
		}
	}
	b.written = append(b.written, t)
}

// leads refuses to put a symbolic link where a rule's path goes through: when the policy is loaded the next time, the
// rule would be about what the link leads to.
func (r *Rules) leads(dir hooks.File, name string) hooks.Verdict {
	for _, d := range namesOf(dir) {
		for _, rules := range r.lists {
			n := rules.at(d, name)
			if n == nil {
				continue
			}
			path := join(d, name)
			return hooks.Verdict{Errno: syscall.EACCES, Rule: ruleOf(n.some()), Path: path,
				Hint: "no rule that is about " + path + " or what is below it"}
		}
	}
	return hooks.Allow
}

// some gives the first node from here down that a rule is about.
func (n *node) some() *node {
	for !n.ruled {
		var first string
		for name := range n.next {
			if first == "" || name < first {
				first = name
			}
		}
		n = n.next[first]
	}
	return n
}

func isLink(f hooks.File) bool { return f != nil && f.Type()&unix.S_IFMT == unix.S_IFLNK }
