/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that see the address an application gives: bind, connect, sendmsg; and the creation of sockets. */
#pragma once
#include "rules.h"

SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *sk)
{
	if (sk->type == SOCK_STREAM && (sk->protocol == IPPROTO_TCP || sk->protocol == IPPROTO_MPTCP))
		return 1;
	if (sk->type == SOCK_DGRAM && sk->protocol == IPPROTO_UDP)
		return 1;
	if (learning()) {
		struct peer p = { .family = sk->family, .protocol = sk->protocol };
		note_use(OP_SOCKET, sk->type, &p, (__u32)bpf_get_current_uid_gid());
		return 1;
	}
	struct event *e = refusal(OP_SOCKET);
	if (e) {
		set_caller(e);
		e->family = sk->family;
		e->type = sk->type;
		e->protocol = sk->protocol;
		bpf_ringbuf_submit(e, 0);
	}
	return 0;
}

static __always_inline void set_v4(struct peer *p, __u32 addr)
{
	p->family = AF_INET;
	__builtin_memset(p->addr, 0, 16);
	__builtin_memcpy(p->addr, &addr, 4);
}

/* One form for each address: v4-mapped becomes IPv4. */
static __always_inline void set_v6(struct peer *p, __u32 a, __u32 b, __u32 c, __u32 d)
{
	if (!a && !b && c == bpf_htonl(0xffff)) {
		set_v4(p, d);
		return;
	}
	p->family = AF_INET6;
	__builtin_memcpy(p->addr, &a, 4);
	__builtin_memcpy(p->addr + 4, &b, 4);
	__builtin_memcpy(p->addr + 8, &c, 4);
	__builtin_memcpy(p->addr + 12, &d, 4);
}

static __always_inline void fill4(struct peer *p, struct bpf_sock_addr *ctx)
{
	set_v4(p, ctx->user_ip4);
	p->port = bpf_ntohs((__u16)ctx->user_port);
	p->protocol = ctx->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
}

static __always_inline void fill6(struct peer *p, struct bpf_sock_addr *ctx)
{
	set_v6(p, ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
	p->port = bpf_ntohs((__u16)ctx->user_port);
	p->protocol = ctx->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
}

/* Connecting to the unspecified address means the loopback. */
static __always_inline void resolve_any(struct peer *p)
{
	__u64 high, low;

	__builtin_memcpy(&high, p->addr, 8);
	__builtin_memcpy(&low, p->addr + 8, 8);
	if (high || low)
		return;
	if (p->family == AF_INET) {
		p->addr[0] = 127;
		p->addr[3] = 1;
	} else {
		p->addr[15] = 1;
	}
}

static __noinline int refuse_address(__u8 op, const struct peer *p, struct bpf_sock_addr *ctx)
{
	if (learning()) {
		note_use(op, ctx->type, p, (__u32)bpf_get_current_uid_gid());
		return 1;
	}
	struct event *e = refusal(op);
	if (e) {
		set_caller(e);
		set_peer(e, p);
		e->type = ctx->type;
		bpf_ringbuf_submit(e, 0);
	}
	return 0;
}

static __always_inline int supported(struct bpf_sock_addr *ctx)
{
	return ctx->type == SOCK_STREAM || ctx->type == SOCK_DGRAM;
}

/* A port that the kernel chooses is harmless: what comes in there is decided with the first packet. */
static __noinline int decide_bind(struct bpf_sock_addr *ctx, const struct peer *p)
{
	if (supported(ctx) && (!p->port || allowed(LISTEN, p, (__u32)bpf_get_current_uid_gid())))
		return 1;
	return refuse_address(OP_BIND, p, ctx);
}

static __noinline int decide_peer(struct bpf_sock_addr *ctx, struct peer *p, __u8 op)
{
	resolve_any(p);
	if (!supported(ctx))
		return refuse_address(op, p, ctx);
	switch (allowed(CONNECT, p, (__u32)bpf_get_current_uid_gid())) {
	case GENERAL:
		return 1;
	case OWN:
		/* The packet is decided again, by the socket's owner, who may be somebody else. */
		note_flow(p, bpf_get_socket_cookie(ctx), 0);
		return 1;
	}
	struct bpf_sock *sk = ctx->sk;
	if (p->protocol == IPPROTO_UDP && sk && sk->src_port && known_flow(p, 0, sk->src_port))
		return 1;
	if (learning()) /* what comes back is an answer */
		note_flow(p, bpf_get_socket_cookie(ctx), 0);
	return refuse_address(op, p, ctx);
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	struct peer p;

	fill4(&p, ctx);
	return decide_bind(ctx, &p);
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx)
{
	struct peer p;

	fill6(&p, ctx);
	return decide_bind(ctx, &p);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct peer p;

	fill4(&p, ctx);
	return decide_peer(ctx, &p, OP_CONNECT);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct peer p;

	fill6(&p, ctx);
	return decide_peer(ctx, &p, OP_CONNECT);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	struct peer p;

	fill4(&p, ctx);
	return decide_peer(ctx, &p, OP_SEND);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	struct peer p;

	fill6(&p, ctx);
	return decide_peer(ctx, &p, OP_SEND);
}
