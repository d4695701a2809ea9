/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Abstract UNIX names. The kernel has these hooks since 6.7. Socket files are not decided here. */
#pragma once
#include "rules.h"

static __always_inline int look_up_name(void *set, struct unix_key *key, __u32 len)
{
	key->prefixlen = UNIX_KEY_BITS;
	key->len = len;
	if (bpf_map_lookup_elem(set, key))
		return 1;
	/* Shorter by the zeros that fill the name: those could match a rule's. */
	key->prefixlen = UNIX_FIXED_BITS + len * 8;
	key->len = UNIX_PREFIX;
	return bpf_map_lookup_elem(set, key) != 0;
}

static __always_inline int allowed_name(struct unix_key *key, __u32 len)
{
	__u32 state = active_set(), slot = state & ACTIVE_SET;
	void *set = bpf_map_lookup_elem(&unix_sets, &slot);
	if (!set)
		return 0;
	key->action = CONNECT;
	key->uid = ANY_UID;
	if (look_up_name(set, key, len))
		return 1;
	if (!(state & ACTIVE_USERS))
		return 0;
	key->uid = (__u32)bpf_get_current_uid_gid();
	return look_up_name(set, key, len);
}

static __noinline void note_name(const struct unix_key *key, __u32 len, __u8 op)
{
	struct name_use use = { .uid = (__u32)bpf_get_current_uid_gid(), .op = op, .len = len };

	__builtin_memcpy(use.name, key->name, sizeof(use.name));
	note(&name_uses, &use);
}

static __noinline int decide_name(struct bpf_sock_addr *ctx, __u8 op)
{
	struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);
	const char *addr = (const char *)kern->uaddr;
	__u32 len = kern->uaddrlen;
	struct unix_key key = {};
	char first;

	if (len <= 2) /* no name */
		return 1;
	if (bpf_probe_read_kernel(&first, 1, addr + 2))
		return 0;
	if (first)
		return 1;
	len -= 3;
	if (len > 107 || bpf_probe_read_kernel(key.name, len, addr + 3))
		return 0;
	int found = allowed_name(&key, len);
	if (learning()) {
		note_name(&key, len, op);
		return 1;
	}
	if (found)
		return 1;
	struct event *e = refusal(op);
	if (e) {
		set_caller(e);
		e->family = AF_UNIX;
		e->type = ctx->type;
		e->len = len;
		__builtin_memcpy(e->name, key.name, sizeof(e->name));
		bpf_ringbuf_submit(e, 0);
	}
	return 0;
}

SEC("cgroup/connect_unix")
int connect_unix(struct bpf_sock_addr *ctx)
{
	return decide_name(ctx, OP_CONNECT);
}

SEC("cgroup/sendmsg_unix")
int sendmsg_unix(struct bpf_sock_addr *ctx)
{
	return decide_name(ctx, OP_SEND);
}
