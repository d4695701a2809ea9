package runtime

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// beneath are the capabilities with which a process reaches below what a guard watches, whatever its system calls look
// like.
var beneath = []struct{ capability, why string }{
	{"CAP_NET_ADMIN", "makes tunnels and bridges, which send packets that no socket of the container sent"},
	{"CAP_SYS_RAWIO", "raw commands reach disks and hardware past every file"},
	{"CAP_SYS_MODULE", "loads code into the kernel"},
	{"CAP_BPF", "loads code into the kernel"},
	{"CAP_PERFMON", "watches the kernel and other processes"},
	{"CAP_AUDIT_CONTROL", "switches off the machine's records"},
	{"CAP_MAC_ADMIN", "changes the machine's security rules"},
	{"CAP_MAC_OVERRIDE", "passes the machine's security rules"},
}

// confineCapabilities takes these from a process, and tells which it had.
func confineCapabilities(p *specs.Process) (taken []string) {
	if p.Capabilities == nil {
		return nil
	}
	sets := []*[]string{&p.Capabilities.Bounding, &p.Capabilities.Permitted, &p.Capabilities.Effective,
		&p.Capabilities.Inheritable, &p.Capabilities.Ambient}
	for _, b := range beneath {
		had := false
		for _, set := range sets {
			kept := slices.DeleteFunc(slices.Clone(*set), func(c string) bool { return c == b.capability })
			had = had || len(kept) != len(*set)
			*set = kept
		}
		if had {
			taken = append(taken, fmt.Sprintf("process.capabilities: %s is not granted under the policy: it %s", b.capability, b.why))
		}
	}
	return taken
}
