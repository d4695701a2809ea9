package seal

import (
	"slices"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/seccomp"
)

// Users is what the policy in force says about becoming another user. Ids are those of the container.
type Users struct {
	Seal   string                 // what seals the container, as events name it; "" if it isn't sealed
	Owners map[uint32]string      // to whom circles belong, each with the line that says so
	Host   func(id uint32) uint32 // an id as the host counts; nil if it is the same
}

// decide says what becomes of a call that asks for user ids.
func (u Users) decide(r seccomp.Refused) (seccomp.Answer, hooks.Verdict) {
	ids := r.IDs()
	isRoot := func(id uint32) bool { return id == 0 }
	switch sealed := u.Seal != "" && slices.ContainsFunc(ids, isRoot); {
	case sealed && r.Is(u.host(0)) && !slices.ContainsFunc(ids, func(id uint32) bool { return id != 0 }):
		return seccomp.Ignore, hooks.Allow // programs do so at their start, and nothing would change
	case sealed:
		return seccomp.Refuse, hooks.Verdict{Errno: unix.EPERM, Rule: u.Seal, Hint: sealHint}
	}
	for _, id := range ids {
		if rule, owns := u.Owners[id]; owns && !r.Is(u.host(id)) {
			return seccomp.Refuse, hooks.Verdict{Errno: unix.EPERM, Rule: rule, Hint: ownerHint}
		}
	}
	return seccomp.Pass, hooks.Allow
}

// Explain says what becomes of a setuid by a task that is from in every respect, as the host counts, to an id of the
// container. The kernel's own check, which wants CAP_SETUID, is another matter.
func (u Users) Explain(from, to uint32) hooks.Verdict {
	r := seccomp.Refused{Args: [6]uint64{uint64(to)}}
	r.Call, r.UIDs = "setuid", [4]uint32{from, from, from, from}
	_, v := u.decide(r)
	return v
}

const (
	sealHint  = `the policy line "seal off" would allow it: who has given up root in a sealed container doesn't get it back`
	ownerHint = "nobody becomes the owner of a circle: start it as that user (process.user, or klw-runc exec --user)"
)

func (u Users) host(id uint32) uint32 {
	if u.Host == nil {
		return id
	}
	return u.Host(id)
}
