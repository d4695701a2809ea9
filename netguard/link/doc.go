// Package link gives a container a network of its own: one routed pair of interfaces and the ports that its policy
// publishes. What the container may do with it is decided by the programs of package netguard; what is dropped here is
// a second line behind them.
//
// # Concepts
//
// The container's end is eth0 with one address of 100.127.0.0/16 (/32, unique on the host) and a default route through
// the host's end, which has the [Gateway] address, the same for every container. There is no bridge: the host routes.
// The host's end has a name made from the container's id ([Names]), and everything that the container needs of the
// firewall is in one table of family ip, with a name from the same source. Those two names are all that is left behind
// by a guard that is killed.
//
// A published port is translated (DNAT) for clients on the host (output hook), 127.0.0.1 included, and for others
// (prerouting hook). The port is held open on the host as long as the [Link] lives, so that nothing else takes it.
//
// # Guarantees
//
//  1. Setup makes all or nothing.
//  2. The table is there before the interfaces are, and goes after them.
//  3. From the container's end nothing reaches an address of the host but answers, nothing gets to 127.0.0.0/8, and no
//     packet with another source address than the container's passes. IPv6 is off on the host's end.
//  4. Nothing is forwarded to the container but what is published, what comes from another container, and answers.
//  5. Cleanup may be called at any time, any number of times.
//  6. Two calls of Setup on one host never choose the same address.
//
// # Dangers
//
// Setup works in the network namespace of the calling thread. A goroutine that isn't in the process's own has to be
// locked to its thread.
//
// The host's own switch net.ipv4.ip_forward isn't touched. While it is 0, what comes from another machine doesn't reach
// a published port, and what the container sends to another machine gets no answer; Link.Notes says so. Clients on the
// host itself don't need it.
//
// The range 100.127.0.0/16 is part of the one that carriers and some private networks use (RFC 6598). A host that is in
// such a network can't reach its part of that network any more, address by address.
package link
