package seal

import (
	"testing"

	"golang.org/x/sys/unix"

	"klw/internal/seccomp"
)

// TestExplain wants the answers that calls get.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		from, to uint32
		rule     string
	}{{0, 0, ""}, {33, 0, "klw.policy:7"}, {0, 33, ""}, {0, 34, "klw.policy:9"}, {34, 34, ""}, {34, 33, ""}} {
		if v := users().Explain(c.from, c.to); v.Rule != c.rule || v.Refused() != (c.rule != "") {
			t.Errorf("%d to %d: %+v", c.from, c.to, v)
		}
	}
}

// TestUsers holds who may become whom.
func TestUsers(t *testing.T) {
	const none = ^uint32(0)
	root, owner := [4]uint32{}, [4]uint32{34, 34, 34, 34}
	sealed, open := users(), users()
	open.Seal = ""
	mapped := sealed
	mapped.Host = func(id uint32) uint32 { return id + 1000 }
	ask := func(call string, args ...uint64) (r seccomp.Refused) {
		r.Call = call
		copy(r.Args[:], args)
		return r
	}
	keep := uint64(none)
	for _, c := range []struct {
		say  string
		u    Users
		uids [4]uint32
		call seccomp.Refused
		want seccomp.Answer
		rule string
	}{
		{"root asks to be root", sealed, root, ask("setuid", 0), seccomp.Ignore, ""},
		{"root asks so in all ways", sealed, root, ask("setresuid", 0, keep, 0), seccomp.Ignore, ""},
		{"root drops root", sealed, root, ask("setresuid", 33, 33, 33), seccomp.Pass, ""},
		{"root keeps a way back", sealed, root, ask("setresuid", 0, 33, 0), seccomp.Refuse, "klw.policy:7"},
		{"nothing to change", sealed, root, ask("setreuid", keep, keep), seccomp.Pass, ""},
		{"dropped, but for the saved id", sealed, [4]uint32{33, 33, 0, 33}, ask("setresuid", keep, 0, keep), seccomp.Refuse, "klw.policy:7"},
		{"by an id of more than 32 bits", sealed, [4]uint32{33, 33, 0, 33}, ask("setuid", 1<<32), seccomp.Refuse, "klw.policy:7"},
		{"not sealed", open, [4]uint32{33, 33, 0, 33}, ask("setuid", 0), seccomp.Pass, ""},
		{"root becomes an owner", sealed, root, ask("setuid", 34), seccomp.Refuse, "klw.policy:9"},
		{"not sealed either", open, root, ask("setuid", 34), seccomp.Refuse, "klw.policy:9"},
		{"by more than 32 bits", open, root, ask("setuid", 7<<32|34), seccomp.Refuse, "klw.policy:9"},
		{"by any of the ids", open, root, ask("setresuid", 33, keep, 34), seccomp.Refuse, "klw.policy:9"},
		{"for files only", open, root, ask("setfsuid", 34), seccomp.Refuse, "klw.policy:9"},
		{"the owner stays it", open, owner, ask("setresuid", 34, 34, 34), seccomp.Pass, ""},
		{"the owner drops it for a while", open, owner, ask("setresuid", keep, 33, keep), seccomp.Pass, ""},
		{"and doesn't get it back", open, [4]uint32{34, 33, 34, 33}, ask("setresuid", keep, 34, keep), seccomp.Refuse, "klw.policy:9"},
		{"one that died", open, [4]uint32{none, none, none, none}, ask("setuid", 34), seccomp.Refuse, "klw.policy:9"},
		{"root of a user namespace", mapped, [4]uint32{1000, 1000, 1000, 1000}, ask("setuid", 0), seccomp.Ignore, ""},
		{"an owner in a user namespace", mapped, [4]uint32{1034, 1034, 1034, 1034}, ask("setuid", 34), seccomp.Pass, ""},
		{"the host's user of that id", mapped, owner, ask("setuid", 34), seccomp.Refuse, "klw.policy:9"},
	} {
		c.call.UIDs = c.uids
		got, v := c.u.decide(c.call)
		if got != c.want || v.Rule != c.rule || v.Refused() != (c.want == seccomp.Refuse) || v.Refused() && (v.Errno != unix.EPERM || v.Hint == "") {
			t.Errorf("%s: %v %+v, want %v %s", c.say, got, v, c.want, c.rule)
		}
	}
}
