package seccomp

// About gives what Contain's filter says of a system call: nothing, if it lets every one pass. ok is false if the machine
// has no call of that name.
func About(call string) (list []Refusal, ok bool) {
	if _, ok = native().numberOf(call); !ok {
		return nil, false
	}
	for _, r := range Refusals() {
		if r.Call == call {
			list = append(list, r)
		}
	}
	return list, true
}
