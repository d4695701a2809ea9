// Package exitcode numbers how klw's own programs end (klw-runc has runc's codes). Numbers are never given a new
// meaning; a retired one stays here as a comment.
package exitcode

import "errors"

// The codes.
const (
	OK         = 0
	Failed     = 1  // something went wrong; standard error says what
	Usage      = 2  // the command line can't be understood
	NotFound   = 3  // no such container, module, file or log
	NotRunning = 4  // the container or replication exists but has no living server
	Refused    = 5  // policy explain: the answer is "refused"
	BadPolicy  = 6  // a policy has errors
	Conflict   = 7  // it can't be done in the present state
	Differs    = 8  // replica verify: source and replica differ
	Unmet      = 9  // policy test: an expectation isn't met
	Warned     = 10 // policy lint --strict: there are warnings
)

// Text lists the codes for a manual.
const Text = `0 done; 1 failed; 2 wrong usage; 3 no such container, module, file or log; 4 its server doesn't run;
5 policy explain: refused; 6 the policy has errors; 7 not possible in the present state; 8 replica verify: they differ;
9 policy test: an expectation is not met; 10 policy lint --strict: there are warnings`

// Error is an error with its code.
type Error struct {
	Code int
	Err  error
}

// With gives err a code; nil stays nil.
func With(code int, err error) error {
	if err == nil {
		return nil
	}
	return &Error{code, err}
}

// Error gives the error's text.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the error.
func (e *Error) Unwrap() error { return e.Err }

// Of gives the code of an error: OK for nil, Failed for one without a code.
func Of(err error) int {
	var e *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &e):
		return e.Code
	}
	return Failed
}
