package cgroup

import (
	"github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// resources translates linux.resources. What klw's library doesn't know of it would be an error of Set.
func resources(spec *specs.Spec) *cgroups.Resources {
	out := &cgroups.Resources{}
	r := spec.Linux.Resources
	if r == nil {
		r = &specs.LinuxResources{}
	}
	out.Devices = deviceRules(r.Devices)
	memory(out, r.Memory)
	cpu(out, r.CPU)
	if r.Pids != nil {
		out.PidsLimit = r.Pids.Limit
	}
	blockIO(out, r.BlockIO)
	for _, l := range r.HugepageLimits {
		out.HugetlbLimit = append(out.HugetlbLimit, &cgroups.HugepageLimit{Pagesize: l.Pagesize, Limit: l.Limit})
	}
	for name, l := range r.Rdma {
		if out.Rdma == nil {
			out.Rdma = map[string]cgroups.LinuxRdma{}
		}
		out.Rdma[name] = cgroups.LinuxRdma{HcaHandles: l.HcaHandles, HcaObjects: l.HcaObjects}
	}
	if n := r.Network; n != nil {
		set(&out.NetClsClassid, n.ClassID)
		for _, p := range n.Priorities {
			out.NetPrioIfpriomap = append(out.NetPrioIfpriomap, &cgroups.IfPrioMap{Interface: p.Name, Priority: int64(p.Priority)})
		}
	}
	if len(r.Unified) > 0 {
		out.Unified = r.Unified
	}
	return out
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func memory(out *cgroups.Resources, m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	set(&out.Memory, m.Limit)
	set(&out.MemoryReservation, m.Reservation)
	set(&out.MemorySwap, m.Swap)
	set(&out.OomKillDisable, m.DisableOOMKiller)
	set(&out.MemoryCheckBeforeUpdate, m.CheckBeforeUpdate)
	out.MemorySwappiness = m.Swappiness
}

func cpu(out *cgroups.Resources, c *specs.LinuxCPU) {
	if c == nil {
		return
	}
	if c.Shares != nil {
		out.CpuShares = *c.Shares
		out.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(*c.Shares)
	}
	set(&out.CpuQuota, c.Quota)
	set(&out.CpuPeriod, c.Period)
	set(&out.CpuRtRuntime, c.RealtimeRuntime)
	set(&out.CpuRtPeriod, c.RealtimePeriod)
	out.CpuBurst, out.CPUIdle = c.Burst, c.Idle
	out.CpusetCpus, out.CpusetMems = c.Cpus, c.Mems
}

func blockIO(out *cgroups.Resources, b *specs.LinuxBlockIO) {
	if b == nil {
		return
	}
	set(&out.BlkioWeight, b.Weight)
	set(&out.BlkioLeafWeight, b.LeafWeight)
	for _, d := range b.WeightDevice {
		var weight, leaf uint16
		set(&weight, d.Weight)
		set(&leaf, d.LeafWeight)
		out.BlkioWeightDevice = append(out.BlkioWeightDevice, cgroups.NewWeightDevice(d.Major, d.Minor, weight, leaf))
	}
	out.BlkioThrottleReadBpsDevice = throttles(b.ThrottleReadBpsDevice)
	out.BlkioThrottleWriteBpsDevice = throttles(b.ThrottleWriteBpsDevice)
	out.BlkioThrottleReadIOPSDevice = throttles(b.ThrottleReadIOPSDevice)
	out.BlkioThrottleWriteIOPSDevice = throttles(b.ThrottleWriteIOPSDevice)
}

func throttles(list []specs.LinuxThrottleDevice) (out []*cgroups.ThrottleDevice) {
	for _, d := range list {
		out = append(out, cgroups.NewThrottleDevice(d.Major, d.Minor, d.Rate))
	}
	return out
}

// deviceRules gives the spec's rules, then what every container has: the default devices of the specification,
// terminals, and making any device node (using it is another matter). Engines rely on these, as runc gives them.
func deviceRules(list []specs.LinuxDeviceCgroup) []*devices.Rule {
	var out []*devices.Rule
	for _, d := range list {
		out = append(out, deviceRule(d))
	}
	for _, kind := range []devices.Type{devices.CharDevice, devices.BlockDevice} {
		out = append(out, &devices.Rule{Type: kind, Major: devices.Wildcard, Minor: devices.Wildcard, Permissions: "m", Allow: true})
	}
	for _, d := range [][2]int64{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {136, devices.Wildcard}} {
		out = append(out, &devices.Rule{Type: devices.CharDevice, Major: d[0], Minor: d[1], Permissions: "rwm", Allow: true})
	}
	return out
}

func deviceRule(d specs.LinuxDeviceCgroup) *devices.Rule {
	rule := &devices.Rule{Type: 'a', Major: devices.Wildcard, Minor: devices.Wildcard, Permissions: "rwm", Allow: d.Allow}
	if d.Type != "" {
		rule.Type = devices.Type(d.Type[0])
	}
	set(&rule.Major, d.Major)
	set(&rule.Minor, d.Minor)
	if d.Access != "" {
		rule.Permissions = devices.Permissions(d.Access)
	}
	return rule
}
