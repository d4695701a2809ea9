package fsguard

import (
	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/policy"
)

// What a descriptor may do with data is decided when it is opened: data passes through in the kernel, which asks nobody
// again. Files under a revocable rule are marked at their open, so that every read and write of theirs is asked about.
// These are decided as an open by the one who opened the file would be now: a descriptor that was inherited, or sent to
// somebody else, goes on as on all other files, and pages that the kernel writes back count as the opener's.

// openedToExecute is the kernel's flag (FMODE_EXEC) on the open of a program.
const openedToExecute = 0x20

// mark marks the opening of a file that is under a revocable rule by any name, of whatever user's list: the file's data
// goes one way for all who have it open.
func (r *Rules) mark(c *hooks.Call) {
	if !r.revocable || c.Revocable {
		return
	}
	switch c.Op {
	case hooks.OpOpen, hooks.OpExec:
		c.Revocable = r.isRevocable(c.File, "")
	case hooks.OpCreate, hooks.OpTmpfile:
		c.Revocable = r.isRevocable(c.Dir, c.Name)
	}
}

func (r *Rules) isRevocable(f hooks.File, name string) bool {
	for _, path := range namesOf(f) {
		for _, rules := range r.lists {
			if n := rules.find(path, name); n != nil && n.revocable {
				return true
			}
		}
	}
	return false
}

// onData decides about data of a file whose open was marked.
func (r *Rules) onData(c *hooks.Call, need policy.Perm) hooks.Verdict {
	if c.Opener == nil {
		return hooks.Allow
	}
	return r.object(r.of(c.Opener.UID), c.File, need)
}

// reading: pages of a program are read as it runs.
func reading(c *hooks.Call) policy.Perm {
	if c.Flags&openedToExecute != 0 {
		return policy.Execute
	}
	return policy.Read
}

// Keeps tells whether somebody who has a file open, with flags of open(2), may go on with it.
func (r *Rules) Keeps(opener hooks.Caller, f hooks.File, flags uint32) hooks.Verdict {
	return r.object(r.of(opener.UID), f, keeping(flags))
}

// keeping is what somebody needs who has a file open.
func keeping(flags uint32) policy.Perm {
	if flags&openedToExecute != 0 {
		return policy.Execute
	}
	return byFlags(&hooks.Call{Flags: flags &^ unix.O_TRUNC})
}
