/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that see packets: what comes in, and a second look at what goes out. */
#pragma once
#include "address.h"

struct packet {
	struct peer src, dst; /* their protocol is the packet's; ports 0 for what is neither TCP nor UDP */
	__u8 protocol;
	__u8 icmp_type;
	__u8 tcp_flags;
};

enum { TCP_SYN = 0x02, TCP_ACK = 0x10 };
enum { OUT, IN };

/*
 * The hooks run above fragmentation: what goes out has not been cut yet, what comes in has been put together. So a
 * fragment here is none of the kernel's own making and is refused, as is source routing that goes out: the header
 * wouldn't name the destination.
 */
static __always_inline int parse4(struct __sk_buff *skb, struct packet *p, int direction)
{
	__u8 h[20];

	if (bpf_skb_load_bytes(skb, 0, h, sizeof(h)) || h[0] >> 4 != 4)
		return -1;
	__u32 size = (h[0] & 15) * 4;
	if (size < 20 || (direction == OUT && size > 20))
		return -1;
	if ((h[6] & 0x3f) || h[7]) /* offset or "more fragments" */
		return -1;
	p->protocol = h[9];
	__u32 src, dst;
	__builtin_memcpy(&src, h + 12, 4);
	__builtin_memcpy(&dst, h + 16, 4);
	set_v4(&p->src, src);
	set_v4(&p->dst, dst);
	return size;
}

static __always_inline int parse6(struct __sk_buff *skb, struct packet *p, int direction)
{
	__u32 h[10];
	__u32 at = 40;

	if (bpf_skb_load_bytes(skb, 0, h, sizeof(h)) || ((__u8 *)h)[0] >> 4 != 6)
		return -1;
	set_v6(&p->src, h[2], h[3], h[4], h[5]);
	set_v6(&p->dst, h[6], h[7], h[8], h[9]);
	__u8 next = ((__u8 *)h)[6];
#pragma clang loop unroll(disable)
	for (int i = 0; i < 8; i++) {
		__u8 ext[2];
		switch (next) {
		case 43: /* routing */
			if (direction == OUT)
				return -1;
		case 0:  /* hop by hop */
		case 60: /* destination options */
			if (bpf_skb_load_bytes(skb, at, ext, 2))
				return -1;
			next = ext[0];
			at += (ext[1] + 1) * 8;
			break;
		case 51: /* authentication */
			if (bpf_skb_load_bytes(skb, at, ext, 2))
				return -1;
			next = ext[0];
			at += (ext[1] + 2) * 4;
			break;
		default:
			p->protocol = next;
			return at;
		}
	}
	return -1;
}

/* Gives -1 for what can't be decided. Fragments have a protocol of their own in IPv6 (44) and fail in the caller. */
__global long parse(struct __sk_buff *skb, struct packet *p, int direction)
{
	if (!p)
		return -1;
	int at = skb->protocol == bpf_htons(ETH_P_IP) ? parse4(skb, p, direction) : parse6(skb, p, direction);
	__u8 ports[4];

	if (at < 0)
		return -1;
	p->src.protocol = p->dst.protocol = p->protocol;
	switch (p->protocol) {
	case IPPROTO_TCP:
		if (bpf_skb_load_bytes(skb, at + 13, &p->tcp_flags, 1))
			return -1;
	case IPPROTO_UDP:
		if (bpf_skb_load_bytes(skb, at, ports, 4))
			return -1;
		p->src.port = ports[0] << 8 | ports[1];
		p->dst.port = ports[2] << 8 | ports[3];
		return 0;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return bpf_skb_load_bytes(skb, at, &p->icmp_type, 1) ? -1 : 0;
	}
	return 0;
}

static __noinline int refuse_packet(struct __sk_buff *skb, __u8 op, const struct packet *p, const struct peer *who)
{
	if (learning()) {
		note_use(op, 0, who, bpf_get_socket_uid(skb));
		return 1;
	}
	struct event *e = refusal(op);
	if (e) {
		e->uid = bpf_get_socket_uid(skb);
		set_peer(e, who);
		e->protocol = p->protocol;
		bpf_ringbuf_submit(e, 0);
	}
	return 0;
}

/* TCP states in which the connection has been decided: all but SYN_SENT, CLOSE, LISTEN and NEW_SYN_RECV. */
#define DECIDED (1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 11)

static __noinline int decided(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	return sk && sk->protocol == IPPROTO_TCP && sk->state < 16 && (DECIDED >> sk->state & 1);
}

/*
 * Sockets that could send ICMP can't be made, so this is the kernel speaking for the container: errors, echo
 * replies, neighbour discovery and multicast listener reports.
 */
static __always_inline int kernels_icmp(const struct packet *p)
{
	if (p->protocol == IPPROTO_ICMP && p->src.family == AF_INET)
		return p->icmp_type == 0 || p->icmp_type == 3 || p->icmp_type == 11 || p->icmp_type == 12;
	if (p->protocol == IPPROTO_ICMPV6 && p->src.family == AF_INET6)
		return p->icmp_type <= 4 || (p->icmp_type >= 129 && p->icmp_type <= 137) || p->icmp_type == 143;
	return 0;
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	struct packet p = {};

	if (decided(skb))
		return 1;
	if (parse(skb, &p, OUT))
		return refuse_packet(skb, OP_SEND, &p, &p.dst);
	switch (p.protocol) {
	case IPPROTO_TCP:
		if ((p.tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
			return 1;
		if (allowed(CONNECT, &p.dst, bpf_get_socket_uid(skb)) || known_flow(&p.dst, bpf_get_socket_cookie(skb), 0))
			return 1;
		return refuse_packet(skb, OP_CONNECT, &p, &p.dst);
	case IPPROTO_UDP:
		if (allowed(CONNECT, &p.dst, bpf_get_socket_uid(skb)) || known_flow(&p.dst, 0, p.src.port) ||
		    known_flow(&p.dst, bpf_get_socket_cookie(skb), 0))
			return 1;
		break;
	default:
		if (kernels_icmp(&p))
			return 1;
	}
	return refuse_packet(skb, OP_SEND, &p, &p.dst);
}

#define LOOPBACK_IFINDEX 1

/*
 * Over the loopback the container speaks to itself, from whatever address it likes: a socket may be bound to one that
 * isn't its own. Such an address mustn't become somebody to answer.
 */
static __always_inline int own_address(const struct packet *p)
{
	if (p->src.family == AF_INET && p->src.addr[0] == 127)
		return 1;
	__u64 s[2], d[2];
	__builtin_memcpy(s, p->src.addr, 16);
	__builtin_memcpy(d, p->dst.addr, 16);
	if (p->src.family == AF_INET6 && !s[0] && s[1] == 1ull << 56) /* ::1 */
		return 1;
	return s[0] == d[0] && s[1] == d[1];
}

/* Who has sent may be answered. */
static __always_inline void note_sender(struct __sk_buff *skb, const struct packet *p)
{
	if (skb->ifindex != LOOPBACK_IFINDEX || own_address(p))
		note_flow(&p->src, 0, p->dst.port);
}

/*
 * A packet for a listening TCP socket, or for one that was never bound by the application, is where listening shows:
 * there is no hook on listen(), and listen() without bind() binds by itself.
 */
SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	struct packet p = {};

	if (decided(skb))
		return 1;
	if (parse(skb, &p, IN))
		return refuse_packet(skb, OP_LISTEN, &p, &p.dst);
	__u32 uid = bpf_get_socket_uid(skb);
	if (p.protocol == IPPROTO_TCP) {
		struct bpf_sock *sk = skb->sk;
		if (sk && sk->state == 2) /* SYN_SENT: the answer to a connection that was allowed */
			return 1;
		return allowed(LISTEN, &p.dst, uid) ? 1 : refuse_packet(skb, OP_LISTEN, &p, &p.dst);
	}
	if (p.protocol != IPPROTO_UDP)
		return refuse_packet(skb, OP_LISTEN, &p, &p.dst);
	if (allowed(LISTEN, &p.dst, uid)) {
		note_sender(skb, &p);
		return 1;
	}
	if (allowed(CONNECT, &p.src, uid) || known_flow(&p.src, bpf_get_socket_cookie(skb), 0))
		return 1;
	if (learning())
		note_sender(skb, &p);
	return refuse_packet(skb, OP_LISTEN, &p, &p.dst);
}
