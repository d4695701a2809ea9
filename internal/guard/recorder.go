package guard

import (
	"klw/hooks"
	"klw/internal/audit"
)

const recorderName = "audit"

// recorder is the module "audit": it refuses nothing and records every operation on files with its result.
type recorder struct{ log *audit.Log }

// Info describes the module.
func (r *recorder) Info() hooks.Info {
	return hooks.Info{
		Name:        recorderName,
		Description: "records every file operation with its result, refuses nothing",
		Monitors:    hooks.Ops(hooks.Operations()[:hooks.OpSocket]...), // what comes before are the files'
	}
}

// Post records. It runs while the caller waits, so its command name can be asked.
func (r *recorder) Post(c *hooks.Call, res *hooks.Result) {
	e := audit.FromCall(c, r.Info(), hooks.Verdict{Errno: res.Errno})
	e.Decision, e.Rule = audit.Audit, ""
	r.log.Record(e)
}
