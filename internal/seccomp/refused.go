package seccomp

import "slices"

// Refused is one call that Contain's filter refused, or asks about.
type Refused struct {
	Refusal
	Task
	Text string // the call with its arguments: setuid(0), mount(...)
	Args [6]uint64
}

// describe finds the refusal that a notification is about.
func describe(n notification, list []Refusal) Refused {
	r := Refused{Refusal: Foreign, Args: n.args}
	name, a, ok := callName(n.arch, n.nr)
	if !ok || a != native() {
		r.Text = foreignText(n)
		return r
	}
	r.Refusal = refusal(list, name, n.args)
	r.Text = text(name, n.args)
	return r
}

// refusal finds the entry of the list that a call falls under.
func refusal(list []Refusal, name string, args [6]uint64) Refusal {
	for _, r := range list {
		if r.Call == name && r.matches(args) {
			return r
		}
	}
	return all(name, "refused by a filter that this version doesn't know")
}

// matches tells whether a call with these arguments is refused.
func (r Refusal) matches(args [6]uint64) bool {
	return len(r.any) == 0 || slices.ContainsFunc(r.any, func(conds []cond) bool {
		return !slices.ContainsFunc(conds, func(c cond) bool { return !c.holds(args) })
	})
}

// holds tells whether arguments meet the condition; refusals use these four operators.
func (c cond) holds(args [6]uint64) bool {
	v := args[c.arg]
	if c.low {
		v &= 0xffffffff
	}
	switch c.op {
	case opNe:
		return v != c.value
	case opMasked:
		return v&c.mask == c.value&c.mask
	case opAny:
		return v&c.mask != 0
	default:
		return v == c.value
	}
}

// IDs gives the user ids that a call of kind OfSetuid asks for, as the container counts. uid_t has 32 bits: setuid(1<<32)
// is setuid(0).
func (r Refused) IDs() (list []uint32) {
	for _, a := range r.Args[:idArgs[r.Call]] {
		if id := uint32(a); id != NoID { // -1 leaves an id as it is
			list = append(list, id)
		}
	}
	return list
}
