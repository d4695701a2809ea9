package seccomp

import (
	"slices"
	"strings"
)

// mux is a call's multiplexed form.
type mux struct {
	name string
	call string
	nr   uint32
}

// multiplexed are the calls that 32-bit x86 has as numbers of socketcall(2) or ipc(2) too, by name.
var multiplexed = [...]mux{
	{"accept", "socketcall", 5}, {"accept4", "socketcall", 18}, {"bind", "socketcall", 2}, {"connect", "socketcall", 3},
	{"getpeername", "socketcall", 7}, {"getsockname", "socketcall", 6}, {"getsockopt", "socketcall", 15},
	{"listen", "socketcall", 4}, {"msgctl", "ipc", 14}, {"msgget", "ipc", 13}, {"msgrcv", "ipc", 12},
	{"msgsnd", "ipc", 11}, {"recv", "socketcall", 10}, {"recvfrom", "socketcall", 12}, {"recvmmsg", "socketcall", 19},
	{"recvmsg", "socketcall", 17}, {"semctl", "ipc", 3}, {"semget", "ipc", 2}, {"semop", "ipc", 1},
	{"semtimedop", "ipc", 4}, {"send", "socketcall", 9}, {"sendmmsg", "socketcall", 20}, {"sendmsg", "socketcall", 16},
	{"sendto", "socketcall", 11}, {"setsockopt", "socketcall", 14}, {"shmat", "ipc", 21}, {"shmctl", "ipc", 24},
	{"shmdt", "ipc", 22}, {"shmget", "ipc", 23}, {"shutdown", "socketcall", 13}, {"socket", "socketcall", 1},
	{"socketpair", "socketcall", 8},
}

// addMultiplexed appends what an entry means for the multiplexed form of a call. The arguments proper are in memory
// there and can't be seen: an entry with conditions holds for every call if it is stricter than the default, and for
// none if it is laxer. (libseccomp lets it hold for every call in both cases.)
func (c call) addMultiplexed(entries []entry, index int, otherwise action) []entry {
	i, ok := slices.BinarySearchFunc(multiplexed[:], names[index], func(m mux, name string) int {
		return strings.Compare(m.name, name)
	})
	if !ok {
		return entries
	}
	r := c.rules[0]
	if len(r.conds) > 0 && !stricter(r.act, otherwise) {
		return entries
	}
	nr, _ := archX86.numberOf(multiplexed[i].call)
	r.conds = []cond{{arg: 0, op: opEq, value: uint64(multiplexed[i].nr)}}
	return append(entries, entry{nr, decision{rules: []rule{r}}})
}

// stricter tells whether the kernel would prefer a to b if two filters answered so: it takes the smaller action as a
// signed number.
func stricter(a, b action) bool { return int32(a&^0xffff) < int32(b&^0xffff) }
