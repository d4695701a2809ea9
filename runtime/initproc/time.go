package initproc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// newTime makes a time namespace with the spec's offsets. The process enters it when it executes.
func (p *proc) newTime() error {
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return doing(err, "making a time namespace")
	}
	for clock, o := range p.Config.Spec.Linux.TimeOffsets {
		line := fmt.Sprintf("%s %d %d\n", clock, o.Secs, o.Nanosecs)
		if err := p.host.write("self/timens_offsets", line); err != nil {
			return doing(err, "setting the offset of clock %q", clock)
		}
	}
	return nil
}
