package conformance

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// slots is how many descriptors there are for steps.
const slots = 8

// place is a name relative to a directory: the root for 0, else a descriptor.
type place struct {
	At   int
	Name string
}

func (p place) String() string {
	name := fmt.Sprintf("%q", p.Name)
	if len(p.Name) > 60 {
		name = fmt.Sprintf("%q*%d", p.Name[:10], len(p.Name))
	}
	if p.At == 0 {
		return name
	}
	return fmt.Sprintf("fd%d:%s", p.At-1, name)
}

// step is one system call by somebody. What a call doesn't use is zero.
type step struct {
	Op       string
	Who      int
	P, Q     place
	FD, FD2  int
	Flags    int
	Mode     uint32
	Off, Len int64
	Off2     int64
	Name     string
	Data     []byte
	UID, GID int
	Times    [2]int64 // seconds, or omit, or now
}

const (
	omit = -1
	now  = -2
)

func (s step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s as %d", s.Op, s.Who)
	say := func(yes bool, format string, args ...any) {
		if yes {
			fmt.Fprintf(&b, " "+format, args...)
		}
	}
	say(s.P != place{}, "%v", s.P)
	say(s.Q != place{}, "to %v", s.Q)
	say(s.FD != 0 || s.FD2 != 0, "fd%d fd%d", s.FD, s.FD2)
	say(s.Flags != 0, "flags %#x", s.Flags)
	say(s.Mode != 0, "mode %#o", s.Mode)
	say(s.Off != 0 || s.Len != 0 || s.Off2 != 0, "off %d len %d off2 %d", s.Off, s.Len, s.Off2)
	say(s.Name != "", "name %q", s.Name)
	say(len(s.Data) > 0, "data %d %.16x", len(s.Data), s.Data)
	say(s.UID != 0 || s.GID != 0, "owner %d:%d", s.UID, s.GID)
	say(s.Times != [2]int64{}, "times %d", s.Times)
	return b.String()
}

// call is a kind of step.
type call struct {
	name   string
	weight int
	draw   func(g *gen, s *step)
	do     func(w *worker, s step) string
}

// gen draws steps.
type gen struct{ *rand.Rand }

func newGen(seed uint64) *gen { return &gen{rand.New(rand.NewPCG(seed, 4))} }

// steps draws a list; every 40th step and the last describe what can be seen.
func (g *gen) steps(n int) []step {
	total := 0
	for _, c := range calls {
		total += c.weight
	}
	var list []step
	for i := range n {
		if i%40 == 39 {
			list = append(list, step{Op: "describe"})
			continue
		}
		pick := g.IntN(total)
		for _, c := range calls {
			if pick -= c.weight; pick < 0 {
				s := step{Op: c.name, Who: g.who()}
				c.draw(g, &s)
				list = append(list, s)
				break
			}
		}
	}
	return list
}

func (g *gen) who() int {
	if g.IntN(2) == 0 {
		return 0
	}
	return g.IntN(len(identities))
}

func of[T any](g *gen, list ...T) T { return list[g.IntN(len(list))] }

func (g *gen) one(in int) bool { return g.IntN(in) == 0 }

// some gives a union of flags, each with a chance of one in n.
func (g *gen) some(n int, flags ...int) (union int) {
	for _, f := range flags {
		if g.one(n) {
			union |= f
		}
	}
	return union
}

// names are few, so that steps meet. The tree begins with d, e, d/d, s, t, p and files a, b, d/a.
var names = []string{"a", "a", "b", "c", "d", "d", "e", "l", "s", "t"}

var oddNames = []string{
	"", ".", "..", "a/", "d/", "d//a", "d/.", "d/..", "d/../a", "/a", "/", "a/a", "l/", "new/", "\xff\xfe", "new\nline", " ",
	strings.Repeat("n", 255), strings.Repeat("n", 256), strings.Repeat("d/../", 800) + "a", strings.Repeat("d/../", 900) + "a",
}

func (g *gen) name() string {
	if g.one(25) {
		return of(g, oddNames...)
	}
	switch g.IntN(4) {
	case 0:
		return of(g, "d/", "e/", "d/d/", "s/", "t/", "p/", "l/") + of(g, names...)
	case 1:
		return of(g, "d/", "s/", "t/", "p/") + of(g, "a", "b", "c")
	}
	return of(g, names...)
}

func (g *gen) place() place {
	p := place{Name: g.name()}
	if g.one(6) {
		p.At = 1 + g.IntN(slots)
	}
	return p
}

func (g *gen) fd() int { return g.IntN(slots) }

func (g *gen) mode() uint32 {
	switch g.IntN(5) {
	case 0:
		return uint32(g.IntN(0o10000))
	case 1:
		return of[uint32](g, 0o4755, 0o2755, 0o6777, 0o2644, 0o1777, 0o2775)
	}
	return of[uint32](g, 0o644, 0o666, 0o755, 0o777, 0o600, 0o640, 0o664)
}

func (g *gen) offset() int64 {
	switch g.IntN(12) {
	case 0:
		return of[int64](g, 1<<32-2, 1<<32+5, 5<<30, 1<<31-1)
	case 1:
		return of[int64](g, -1, -1<<63, 1<<62, 1<<63-1, 1<<63-4096, 1<<50)
	case 2, 3, 4:
		return int64(g.IntN(40)) * 4096
	}
	return int64(g.IntN(20000))
}

func (g *gen) size() int64 {
	if g.one(4) {
		return int64(g.IntN(20)) * 4096
	}
	return int64(g.IntN(6000))
}

func (g *gen) data() []byte {
	n := g.IntN(200)
	if g.one(4) {
		n = of(g, 0, 1, 4096, 5000, 8192)
	}
	b := make([]byte, n)
	x := byte(g.IntN(255) + 1)
	for i := range b {
		b[i] = x + byte(i%7)
	}
	return b
}

func (g *gen) owner(s *step) {
	s.UID, s.GID = of(g, -1, -1, 0, 1001, 1002, 1003), of(g, -1, 0, 1001, 2000, 3000, 1003)
}
