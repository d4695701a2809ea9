// Package netguard holds a container to the socket rules of its policy (MISSION.md B7, E2, E3, E6): which sockets it
// may make, what it may bind and connect to, and what may come in.
//
// # Concepts
//
// [Rules] are a policy's socket rules, bound to user ids and brought to one form. They answer a [Question] in plain Go
// (that is what "klwctl policy explain" shows) and compile into maps, where the kernel looks them up. [Module] is the
// module "sockets": BPF programs on the container's v2 cgroup that ask those maps, and a reader that tells each refusal
// to an observer. The programs lie in the folder bpf, one object for all of them; package link makes the container's
// network.
//
// Where the kernel asks:
//
//	sock_create              which kinds of Internet sockets there are: TCP (and MPTCP) and UDP, nothing else
//	bind4, bind6             a listen rule for the address and port; port 0 always passes
//	connect4/6, sendmsg4/6   a connect rule for the address and port, or a UDP peer that is being answered
//	connect_unix, sendmsg_unix   a connect rule for the abstract name (kernel 6.7 or later)
//	packets in               TCP: a listen rule when a listening socket is spoken to; UDP: a listen rule, or the sender
//	                         is one that a connect rule allows
//	packets out              TCP: the first packet of a connection is decided again; UDP: every packet is
//
// There is no hook on listen(), and listen() without bind() binds by itself: listening is decided by the first packet
// (docs/decisions/listening.md). Programs are attached without pins (docs/decisions/cgroup-attach.md): they stay as
// long as the cgroup does, whether or not the guard lives.
//
// While the module learns ([Module.Learn]), the programs let everything pass and put each use into a map, once for each
// user, address and port: it takes no ring, so that nothing is lost but what finds the map full, which is counted.
//
// # Guarantees
//
//  1. What no rule allows is refused with EPERM; a packet that came in is dropped.
//  2. An address has one form: v4-mapped IPv6 is IPv4; connecting to the unspecified address is connecting to the
//     loopback. A rule without address covers both families, 0.0.0.0/0 and [::]/0 cover one.
//  3. The cost of a look-up doesn't depend on the number of rules: at most four look-ups in a trie.
//  4. Replace puts a new set of rules into force whole or not at all: every single decision is by one set.
//  5. Load attaches every program or none, and has asked the loaded programs about packets, and the kernel about the
//     attachments, before it returns.
//  6. Each refusal is told to the observer, or counted as lost (more than about 2000 a second on a CPU, or a reader
//     that is gone): see [Stats].
//  7. UDP answers: who has sent to a port with a listen rule may be answered from that port for three minutes.
//  8. Unload lets everything pass again and leaves nothing.
//  9. Where policies are stacked, an action is allowed exactly if the rules of each allow it: NewRules makes one set of
//     what is common to a rule of each. (A UDP packet that comes in needs one kind of rule, listen or connect, in all.)
//
// # Dangers
//
// What was noted while learning as somebody to answer, or as a socket that may send by UDP, counts for three minutes
// more.
//
// Rules follow the socket, and the socket follows the cgroup of the task that made it. A socket made outside and passed
// in (a descriptor that the runtime keeps open on purpose, SCM_RIGHTS over a shared socket file) isn't held to any rule;
// a socket made inside and passed out still is. Sockets made before Load in the same cgroup are held from then on,
// except that a TCP connection which exists already goes on, raw sockets included only as far as their packets are
// neither TCP nor UDP: load before the application runs.
//
// A new set of rules decides new connections, and every UDP packet. TCP connections that exist go on.
//
// Binding an abstract UNIX name isn't refused: there is no hook. Nobody outside the container's network namespace can
// connect to it, and inside the connect rules hold. A container that shares the host's network namespace has no such
// edge.
//
// A user's own rules count by who calls (bind, connect, sendmsg), and for packets by who owns the socket. Root inside
// can become any user.
//
// Who has CAP_NET_ADMIN in the container's network namespace can make devices that wrap allowed packets and send them on
// beneath the hooks (a vxlan tunnel on an allowed port, forwarding between devices). Don't give it to a container that is
// to be held.
//
// Addresses with a scope (fe80::1%eth0) are known by the address alone. The address that a host name stands for isn't
// known here at all.
//
// Lock order: Module.mu is held while programs and maps change, never while the observer runs.
package netguard
