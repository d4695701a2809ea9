package explain

import (
	"klw/internal/control"
	"klw/internal/policy"
)

// Failure is an expectation of a policy that isn't met.
type Failure struct {
	policy.Expectation
	Answer control.Answer // to what is expected
}

// Unmet asks what a policy's author expects and gives what turns out otherwise.
func (a Asked) Unmet(tests []policy.Expectation) (list []Failure, err error) {
	for _, e := range tests {
		answer, err := a.Answer(question(e))
		if err != nil {
			return nil, err
		}
		if answer.Allowed != e.Allowed {
			list = append(list, Failure{e, answer})
		}
	}
	return list, nil
}

// question is what an expectation asks.
func question(e policy.Expectation) control.Question {
	if e.File != nil {
		return control.Question{Kind: "file", User: e.User, Path: e.File.Path, Perm: e.File.Perm.String()}
	}
	q := control.Question{Kind: "socket", User: e.User, Protocol: e.Socket.Protocol.String(), Action: e.Socket.Action.String()}
	if q.Address = e.Socket.Address(); e.Socket.Protocol == policy.Unix {
		q.Address = "@" + e.Socket.Abstract // as it is, without quotes
	}
	return q
}
