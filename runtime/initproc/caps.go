package initproc

import (
	"maps"
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// capSets are the five sets of a process, as bits.
type capSets struct{ bounding, effective, permitted, inheritable, ambient uint64 }

// capabilities reads the spec's sets. A name that doesn't exist, or that can't be granted, is a warning, as the
// specification asks.
func (p *proc) capabilities(s *specs.Process) (*capSets, error) {
	var sets capSets
	c := s.Capabilities
	if c == nil {
		return &sets, nil
	}
	have, err := held()
	if err != nil {
		return nil, err
	}
	unknown := map[string]bool{}
	for _, one := range []struct {
		to    *uint64
		names []string
	}{{&sets.bounding, c.Bounding}, {&sets.permitted, c.Permitted}, {&sets.effective, c.Effective},
		{&sets.inheritable, c.Inheritable}, {&sets.ambient, c.Ambient}} {
		for _, name := range one.names {
			bit, ok := capBits[name]
			if !ok || have&bit == 0 {
				unknown[name] = true
				continue
			}
			*one.to |= bit
		}
	}
	if len(unknown) > 0 {
		names := slices.Sorted(maps.Keys(unknown))
		p.warn("capabilities that are unknown or can't be granted are left out: %s", strings.Join(names, ", "))
	}
	p.checkAmbient(&sets)
	return &sets, nil
}

// checkAmbient leaves out what the kernel would refuse. Engines write ambient sets down as if there were no condition,
// so it is no error.
func (p *proc) checkAmbient(s *capSets) {
	lost := s.ambient &^ (s.permitted & s.inheritable)
	if lost == 0 {
		return
	}
	s.ambient &^= lost
	var names []string
	for name, bit := range capBits {
		if lost&bit != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	p.warn("ambient capabilities that are not also permitted and inheritable are left out: %s", strings.Join(names, ", "))
}

// capBits are the known names in the spelling of config.json.
var capBits = func() map[string]uint64 {
	m := map[string]uint64{}
	for _, c := range capability.ListKnown() {
		m["CAP_"+strings.ToUpper(c.String())] = 1 << uint(c)
	}
	return m
}()

// held is what this process may give: its permitted capabilities that are in its bounding set.
func held() (uint64, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, doing(err, "reading capabilities")
	}
	permitted := uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32
	var bound uint64
	for c := range 64 {
		if in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err != nil {
			break
		} else if in == 1 {
			bound |= 1 << c
		}
	}
	return permitted & bound, nil
}

// bound drops from the bounding set, while that is still allowed.
func (s *capSets) bound() error {
	for c := range 64 {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err != nil {
			return nil // beyond the last one
		}
		if in == 0 || s.bounding&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return doing(err, "dropping capability %d from the bounding set", c)
		}
	}
	return nil
}

// apply sets the other four.
func (s *capSets) apply() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		shift := 32 * i
		data[i] = unix.CapUserData{Effective: uint32(s.effective >> shift), Permitted: uint32(s.permitted >> shift),
			Inheritable: uint32(s.inheritable >> shift)}
	}
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		return doing(err, "setting capabilities")
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return doing(err, "clearing ambient capabilities")
	}
	for c := range 64 {
		if s.ambient&(1<<c) == 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c), 0, 0); err != nil {
			return doing(err, "raising ambient capability %d", c)
		}
	}
	return nil
}
