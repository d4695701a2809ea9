package conformance

import "time"

// shrink leaves out steps for as long as the rest is still bad.
func shrink(steps []step, bad func([]step) bool) []step {
	end := time.Now().Add(time.Minute)
	for size := len(steps) / 2; size > 0; {
		removed := false
		for at := 0; at+size <= len(steps) && time.Now().Before(end); {
			rest := append(append([]step(nil), steps[:at]...), steps[at+size:]...)
			if bad(rest) {
				steps, removed = rest, true
			} else {
				at += size
			}
		}
		if !removed || size > 1 {
			size /= 2
		}
	}
	return steps
}
