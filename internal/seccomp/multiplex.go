package seccomp

// socketCalls and ipcCalls are the calls that 32-bit x86 also has as numbers of socketcall(2) and ipc(2).
var socketCalls = [...]word[uint32]{
	{"socket", 1}, {"bind", 2}, {"connect", 3}, {"listen", 4}, {"accept", 5}, {"getsockname", 6}, {"getpeername", 7},
	{"socketpair", 8}, {"send", 9}, {"recv", 10}, {"sendto", 11}, {"recvfrom", 12}, {"shutdown", 13},
	{"setsockopt", 14}, {"getsockopt", 15}, {"sendmsg", 16}, {"recvmsg", 17}, {"accept4", 18}, {"recvmmsg", 19},
	{"sendmmsg", 20},
}

var ipcCalls = [...]word[uint32]{
	{"semop", 1}, {"semget", 2}, {"semctl", 3}, {"semtimedop", 4}, {"msgsnd", 11}, {"msgrcv", 12}, {"msgget", 13},
	{"msgctl", 14}, {"shmat", 21}, {"shmdt", 22}, {"shmget", 23}, {"shmctl", 24},
}

// addMultiplexed appends what an entry means for the multiplexed form of a call. The arguments proper are in memory
// there and can't be seen: an entry with conditions holds for every call if it is stricter than the default, and for
// none if it is laxer. (libseccomp lets it hold for every call in both cases.)
func (c call) addMultiplexed(entries []entry, name string, otherwise action) []entry {
	mux := "socketcall"
	n, ok := find(socketCalls[:], name)
	if !ok {
		mux = "ipc"
		if n, ok = find(ipcCalls[:], name); !ok {
			return entries
		}
	}
	conditional := len(c.alts) > 1 || len(c.alts[0]) > 0
	if conditional && !stricter(c.act, otherwise) {
		return entries
	}
	nr, _ := archX86.number(mux)
	return c.add(entries, nr, [][]cond{{{arg: 0, op: opEq, value: uint64(n)}}}, otherwise)
}

// stricter tells whether the kernel would prefer a to b if two filters answered so: it takes the smaller action as a
// signed number.
func stricter(a, b action) bool { return int32(a&^0xffff) < int32(b&^0xffff) }
