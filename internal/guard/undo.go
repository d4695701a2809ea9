package guard

import (
	"errors"
	"fmt"
)

// undo is the stack of what has to be undone.
type undo struct{ steps []step }

type step struct {
	what string
	do   func() error
}

// push adds a step; what completes the sentence "… failed".
func (u *undo) push(what string, do func() error) { u.steps = append(u.steps, step{what, do}) }

// run takes every step from the top, errors or not, and forgets them.
func (u *undo) run() error {
	var all error
	for len(u.steps) > 0 {
		s := u.steps[len(u.steps)-1]
		u.steps = u.steps[:len(u.steps)-1]
		if err := s.do(); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", s.what, err))
		}
	}
	return all
}
