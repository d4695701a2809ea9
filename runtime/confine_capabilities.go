package runtime

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/policy"
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

// tracing is the capability with which root acts through the processes of other users: their memory, their descriptors.
const tracing = "CAP_SYS_PTRACE"

// limits is the capability to raise limits of one's own and of others, that of core dumps (coreLimit) among them.
const (
	limits    = "CAP_SYS_RESOURCE"
	coreLimit = "RLIMIT_CORE"
)

// confineCapabilities takes these from a process, and tells which it had.
func confineCapabilities(p *specs.Process) (taken []string) {
	for _, b := range beneath {
		if takeCapability(p, b.capability) {
			taken = append(taken, fmt.Sprintf("process.capabilities: %s is not granted under the policy: it %s", b.capability, b.why))
		}
	}
	return taken
}

// confineCircles takes from a process, where somebody has a circle, what shows others the memory of his processes:
// CAP_SYS_PTRACE, and core dumps with the capability to raise their limit. It tells which of it the process had.
func confineCircles(p *specs.Process, circles []policy.Circle) (taken []string) {
	if len(circles) == 0 {
		return nil
	}
	owner := circles[0].Owner
	if takeCapability(p, tracing) {
		taken = append(taken, fmt.Sprintf("process.capabilities: %s is not granted under a policy with circles: root would act through the processes of user %s, who has one",
			tracing, owner))
	}
	if takeCapability(p, limits) {
		taken = append(taken, fmt.Sprintf("process.capabilities: %s is not granted under a policy with circles: root would have the processes of user %s, who has one, dump their memory",
			limits, owner))
	}
	if noDumps(p) {
		taken = append(taken, fmt.Sprintf("process.rlimits: RLIMIT_CORE is 0 under a policy with circles: others would find what is in the memory of user %s, who has one", owner))
	}
	return taken
}

// noDumps makes the process and all that come from it leave no core dump, and tells whether the bundle says that they may.
func noDumps(p *specs.Process) (had bool) {
	kept := slices.DeleteFunc(slices.Clone(p.Rlimits), func(l specs.POSIXRlimit) bool {
		had = had || l.Type == coreLimit && l.Hard > 0
		return l.Type == coreLimit
	})
	p.Rlimits = append(kept, specs.POSIXRlimit{Type: coreLimit})
	return had
}

// takeCapability takes one from a process, and tells whether it had that.
func takeCapability(p *specs.Process, capability string) (had bool) {
	if p.Capabilities == nil {
		return false
	}
	for _, set := range []*[]string{&p.Capabilities.Bounding, &p.Capabilities.Permitted, &p.Capabilities.Effective,
		&p.Capabilities.Inheritable, &p.Capabilities.Ambient} {
		kept := slices.DeleteFunc(slices.Clone(*set), func(c string) bool { return c == capability })
		had = had || len(kept) != len(*set)
		*set = kept
	}
	return had
}
