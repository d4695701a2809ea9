package guard

import "sync/atomic"

// state is where a guard is in its life.
type state struct{ v atomic.Value }

const (
	stateStarting  = "starting"
	stateEnforcing = "enforcing"
	stateEnding    = "ending"
)

func (s *state) Store(v string) { s.v.Store(v) }
func (s *state) Load() string   { v, _ := s.v.Load().(string); return v }
