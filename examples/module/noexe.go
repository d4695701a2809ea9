// Package noexe is an example of a guard of one's own: copy it, change what it refuses, register it (see README.md).
// It refuses to create, link or rename anything to a name that ends in ".exe", and logs every deletion that happened.
package noexe

import (
	"log/slog"
	"strings"
	"syscall"

	"klw/hooks"
)

// Module is the guard. It may be used by any number of calls at the same time.
type Module struct{ Log *slog.Logger }

// Info says what the module is called and which operations it wants to see. Others cost nothing.
func (m *Module) Info() hooks.Info {
	return hooks.Info{
		Name:        "noexe",
		Description: "refuses names that end in .exe, logs deletions",
		Monitors: hooks.Ops(hooks.OpCreate, hooks.OpMknod, hooks.OpSymlink, hooks.OpLink, hooks.OpRename,
			hooks.OpUnlink, hooks.OpRmdir),
	}
}

// Pre decides before the operation. The master writes the event of a refusal.
func (m *Module) Pre(c *hooks.Call) hooks.Verdict {
	name := c.Name
	switch c.Op {
	case hooks.OpUnlink, hooks.OpRmdir:
		return hooks.Allow
	case hooks.OpLink, hooks.OpRename:
		name = c.NewName
	}
	if strings.HasSuffix(strings.ToLower(name), ".exe") {
		return hooks.Verdict{Errno: syscall.EPERM, Rule: "noexe", Hint: "choose a name that doesn't end in .exe"}
	}
	return hooks.Allow
}

// Post sees the result of an operation that no module before this one refused.
func (m *Module) Post(c *hooks.Call, r *hooks.Result) {
	if (c.Op == hooks.OpUnlink || c.Op == hooks.OpRmdir) && r.Errno == 0 {
		m.Log.Info("deleted", "name", c.Name, "pid", c.Caller.PID, "uid", c.Caller.UID)
	}
}
