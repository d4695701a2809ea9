package launch

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// SetCPUs lets a thread run on the processors of a list such as "0-3,7" only. An empty list changes nothing.
func SetCPUs(tid int, list string) error {
	if list == "" {
		return nil
	}
	set, err := parseCPUs(list)
	if err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(tid, set); err != nil {
		return fmt.Errorf("process.execCPUAffinity: processors %s: %w", list, err)
	}
	return nil
}

func parseCPUs(list string) (*unix.CPUSet, error) {
	set := new(unix.CPUSet)
	for _, part := range strings.Split(list, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || from < 0 || to < from || to >= len(set)*64 {
			return nil, fmt.Errorf("process.execCPUAffinity: %q is no list of processors such as 0-3,7", list)
		}
		for c := from; c <= to; c++ {
			set.Set(c)
		}
	}
	return set, nil
}
