package launch

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var rlimits = map[string]int{
	"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU,
	"RLIMIT_DATA": unix.RLIMIT_DATA, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS,
	"RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK, "RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE,
	"RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_RSS": unix.RLIMIT_RSS,
	"RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO, "RLIMIT_RTTIME": unix.RLIMIT_RTTIME,
	"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_STACK": unix.RLIMIT_STACK,
}

// limit sets the resource limits from here: klw-init may lack the right, being in a user namespace, and asks as late
// as possible, since low limits would hinder it.
func (i *Init) limit() error { return setLimits(i.pid, i.config.Spec.Process.Rlimits) }

func setLimits(pid int, limits []specs.POSIXRlimit) error {
	for _, l := range limits {
		r, ok := rlimits[l.Type]
		if !ok {
			return fmt.Errorf("process.rlimits: unknown type %q", l.Type)
		}
		if err := unix.Prlimit(pid, r, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil); err != nil {
			return fmt.Errorf("setting %s to %d (hard %d): %w", l.Type, l.Soft, l.Hard, err)
		}
	}
	return nil
}

// adjustOOM sets oomScoreAdj, from here for the same reason.
func (i *Init) adjustOOM() error {
	adj := i.config.Spec.Process.OOMScoreAdj
	if adj == nil {
		return nil
	}
	path := fmt.Sprintf("/proc/%d/oom_score_adj", i.pid)
	want := strconv.Itoa(*adj)
	if now, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(now)) == want {
		return nil
	}
	if err := os.WriteFile(path, []byte(want), 0); err != nil {
		return fmt.Errorf("setting oomScoreAdj to %s: %w", want, err)
	}
	return nil
}
