package seccomp

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	badArch = action(unix.SECCOMP_RET_KILL_THREAD) // what libseccomp answers an ABI that the profile doesn't name
	noCall  = action(unix.SECCOMP_RET_ERRNO) | action(unix.ENOSYS)
)

// Compile makes the filter that the OCI section asks for. A nil or empty section gives an empty Program.
func Compile(s *specs.LinuxSeccomp) (Program, error) {
	if s == nil || s.DefaultAction == "" && len(s.Syscalls) == 0 {
		return Program{}, nil
	}
	p, err := parse(s)
	if err != nil {
		return Program{}, err
	}
	var sections []section
	for _, a := range []arch{native(), archX86_64, archX86, archARM64, archARM} {
		if !p.archs[a] && !(a == archX86_64 && p.archs[archX32]) || a == native() && len(sections) > 0 {
			continue
		}
		s, err := p.section(a)
		if err != nil {
			return Program{}, err
		}
		sections = append(sections, s)
	}
	code, err := assemble(sections, badArch)
	if err != nil {
		return Program{}, fmt.Errorf("linux.seccomp: %w", err)
	}
	return Program{Filter: code, Flags: p.flags}, nil
}

// section makes the code for one audit architecture. x32 calls are part of x86_64's.
func (p *profile) section(a arch) (section, error) {
	s := section{audit: a.audit(), narrow: func(uint32) bool { return a.narrow() }}
	if a != archX86_64 {
		spans, err := p.spans(a, 0)
		s.spans = spans
		return s, err
	}
	s.narrow = func(nr uint32) bool { return nr&x32Bit != 0 }
	if p.archs[archX86_64] {
		spans, err := p.spans(archX86_64, 0)
		if err != nil {
			return s, err
		}
		s.spans = spans
	} else {
		s.spans = []span{{0, decision{otherwise: badArch}}}
	}
	if p.archs[archX32] {
		spans, err := p.spans(archX32, x32Bit)
		s.spans = append(s.spans, spans...)
		return s, err
	}
	// A tracer that skips a call sets its number to -1, which the kernel shows to filters.
	s.spans = append(s.spans, span{x32Bit, decision{otherwise: badArch}}, span{0xffffffff, decision{otherwise: p.otherwise}})
	return s, nil
}

// spans gives the decisions for all numbers of one ABI, the first of which is first. Numbers above the largest that
// the profile knows answer ENOSYS, as with runc: libraries then do without what is too new for the profile, which a
// plain EPERM would make them fail on.
func (p *profile) spans(a arch, first uint32) ([]span, error) {
	entries := make([]entry, 0, 512)
	largest := first
	for _, c := range p.calls {
		counts := c.rules[0].act != p.otherwise // what says the same as the default is left out, as with runc
		for _, index := range c.names {
			nr, ok := a.number(index)
			if ok {
				largest = max(largest, nr)
			}
			if ok && counts {
				entries = append(entries, entry{nr, decision{rules: c.rules}})
			}
			if a == archX86 && counts {
				entries = c.addMultiplexed(entries, index, p.otherwise)
			}
		}
	}
	entries, err := p.merge(entries, a.narrow())
	if err != nil {
		return nil, err
	}
	beyond := noCall
	if largest == first || permissive(p.otherwise) {
		beyond = p.otherwise
	}
	return spansOf(first, entries, p.otherwise, beyond, largest), nil
}

// merge sorts entries by number and makes one of those for the same number. Two entries that answer the same arguments
// differently are an error, as with libseccomp.
func (p *profile) merge(entries []entry, narrow bool) ([]entry, error) {
	order := make([]uint64, len(entries)) // number, then place: sorting these is several times faster than the entries
	for i, e := range entries {
		order[i] = uint64(e.nr)<<32 | uint64(i)
	}
	slices.Sort(order)
	merged := make([]entry, 0, len(entries))
	for i := 0; i < len(order); {
		e := entries[uint32(order[i])]
		for i++; i < len(order) && uint32(order[i]>>32) == e.nr; i++ {
			e.rules = append(slices.Clip(e.rules), entries[uint32(order[i])].rules...)
		}
		d := decide(e.rules, narrow, p.otherwise)
		if err := d.check(); err != nil {
			return nil, err
		}
		merged = append(merged, entry{e.nr, d})
	}
	return merged, nil
}

// permissive tells whether a default lets calls happen; a tracer is expected to know about new ones.
func permissive(a action) bool {
	switch a & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_TRACE:
		return true
	}
	return false
}
