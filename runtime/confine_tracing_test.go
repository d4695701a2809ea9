package runtime

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestNobodyTracesAnOwner: with circles in the policy CAP_SYS_PTRACE isn't granted, and klw-runc says so.
func TestNobodyTracesAnOwner(t *testing.T) {
	give := func(s *specs.Spec) {
		s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, tracing)
		s.Process.Capabilities.Effective = append(s.Process.Capabilities.Effective, tracing)
	}
	for rules, granted := range map[string]bool{
		"@general\nfile / read\n":                                    true,
		"@general\nfile / read\n@circle 1000\nreserve /home write\n": false,
	} {
		spec, warnings, err := confined(t, rules, give)
		if err != nil {
			t.Fatal(err)
		}
		if got := may(spec.Process.Capabilities, tracing) || slices.Contains(spec.Process.Capabilities.Effective, tracing); got != granted {
			t.Errorf("%q: granted %v", rules, got)
		}
		said := slices.ContainsFunc(warnings, func(w string) bool {
			return strings.Contains(w, "CAP_SYS_PTRACE is not granted under a policy with circles") && strings.Contains(w, "user 1000")
		})
		if said == granted {
			t.Errorf("%q: warned %q", rules, warnings)
		}
	}
}

// TestNobodyDumpsAnOwner: with circles in the policy nobody's memory is dumped, and nobody can change that.
func TestNobodyDumpsAnOwner(t *testing.T) {
	give := func(s *specs.Spec) {
		s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, limits)
		s.Process.Rlimits = append(s.Process.Rlimits, specs.POSIXRlimit{Type: coreLimit, Hard: 9, Soft: 9})
	}
	for rules, dumps := range map[string]bool{
		"@general\nfile / read\n":                                    true,
		"@general\nfile / read\n@circle 1000\nreserve /home write\n": false,
	} {
		spec, warnings, err := confined(t, rules, give)
		if err != nil {
			t.Fatal(err)
		}
		limited := slices.Contains(spec.Process.Rlimits, specs.POSIXRlimit{Type: coreLimit})
		both := slices.ContainsFunc(spec.Process.Rlimits, func(l specs.POSIXRlimit) bool { return l.Type == coreLimit && l.Hard > 0 })
		if may(spec.Process.Capabilities, limits) != dumps || limited == dumps || both != dumps {
			t.Errorf("%q: %v %v", rules, spec.Process.Capabilities, spec.Process.Rlimits)
		}
		for _, want := range []string{"CAP_SYS_RESOURCE is not granted under a policy with circles", "RLIMIT_CORE is 0 under a policy with circles"} {
			if said := slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, want) }); said == dumps {
				t.Errorf("%q: warned %q", rules, warnings)
			}
		}
	}
}
