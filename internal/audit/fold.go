package audit

import "time"

// FoldTime is how long equal events are gathered into one line.
const FoldTime = time.Second

// maxFolds bounds the memory for folding; beyond it events are written one by one.
const maxFolds = 4096

// folder holds equal events back. It is used by one goroutine.
type folder struct {
	open map[Event]*fold // by the event without time and count
}

type fold struct {
	ends  time.Time
	count uint64
	last  time.Time
}

func newFolder() *folder { return &folder{open: map[Event]*fold{}} }

// add takes an event in and tells whether it is to be written now.
func (f *folder) add(e Event, now time.Time) bool {
	key := e
	key.Time, key.Count = time.Time{}, 0
	if held := f.open[key]; held != nil {
		held.count += e.Count
		held.last = e.Time
		return false
	}
	if len(f.open) < maxFolds {
		f.open[key] = &fold{ends: now.Add(FoldTime)}
	}
	return true
}

// expired gives what is to be written because its time is over; all of it if the log ends. What was repeated is
// gathered for a further FoldTime.
func (f *folder) expired(now time.Time, all bool) []Event {
	var out []Event
	for key, held := range f.open {
		if !all && now.Before(held.ends) {
			continue
		}
		if held.count == 0 {
			delete(f.open, key)
			continue
		}
		e := key
		e.Time, e.Count = held.last, held.count
		out = append(out, e)
		held.count, held.ends = 0, now.Add(FoldTime)
	}
	return out
}

// next gives when expired will have something, if ever.
func (f *folder) next() (time.Time, bool) {
	var first time.Time
	for _, held := range f.open {
		if first.IsZero() || held.ends.Before(first) {
			first = held.ends
		}
	}
	return first, !first.IsZero()
}
