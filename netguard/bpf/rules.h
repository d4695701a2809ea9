/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Looking rules up, and telling refusals. */
#pragma once
#include "maps.h"

/* The other side of a connection or packet, or the address that is bound. */
struct peer {
	__u8 addr[16];
	__u16 port; /* host byte order */
	__u8 family;
	__u8 protocol;
};

/* What a look-up found. */
enum { NOTHING, GENERAL, OWN };

static __always_inline __u32 active_set(void)
{
	__u32 zero = 0, *v = bpf_map_lookup_elem(&active, &zero);
	return v ? *v : 0;
}

static __always_inline int look_up(void *set, struct inet_key *key, __u16 port)
{
	key->port = port;
	if (bpf_map_lookup_elem(set, key))
		return 1;
	if (!port)
		return 0;
	key->port = 0;
	return bpf_map_lookup_elem(set, key) != 0;
}

static __always_inline void count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &which);
	if (n)
		__sync_fetch_and_add(n, 1);
}

static __always_inline int learning(void)
{
	return (active_set() & ACTIVE_LEARN) != 0;
}

/* Puts a use into its map, once. */
static __always_inline void note(void *map, const void *use)
{
	__u32 one = 1;

	if (!bpf_map_lookup_elem(map, use)) {
		long err = bpf_map_update_elem(map, use, &one, BPF_NOEXIST);
		if (err && err != -EEXIST)
			count(UNNOTED);
	}
}

__global long note_use(__u8 op, __u8 type, const struct peer *p, __u32 uid)
{
	struct use use = {};

	if (!p)
		return 0;
	use.uid = uid;
	use.port = p->port;
	use.op = op;
	use.protocol = p->protocol;
	use.family = p->family;
	use.type = type;
	__builtin_memcpy(use.addr, p->addr, 16);
	note(&uses, &use);
	return 0;
}

static __always_inline long find_rule(__u8 action, const struct peer *p, __u32 uid)
{
	__u32 state = active_set(), slot = state & ACTIVE_SET;
	void *set = bpf_map_lookup_elem(&inet_sets, &slot);
	if (!set || !p)
		return NOTHING;
	struct inet_key key = {
		.prefixlen = INET_KEY_BITS,
		.uid = ANY_UID,
		.action = action,
		.protocol = p->protocol,
		.family = p->family,
	};
	__builtin_memcpy(key.addr, p->addr, 16);
	if (look_up(set, &key, p->port))
		return GENERAL;
	if (!(state & ACTIVE_USERS))
		return NOTHING;
	key.uid = uid;
	return look_up(set, &key, p->port) ? OWN : NOTHING;
}

/* Is there a rule for everybody or for this user? */
__global long allowed(__u8 action, const struct peer *p, __u32 uid)
{
	long found = find_rule(action, p, uid);

	if (found && learning())
		note_use(action == LISTEN ? OP_LISTEN : OP_CONNECT, 0, p, uid);
	return found;
}

static __always_inline void fill_flow(struct flow_key *key, const struct peer *p, __u64 cookie, __u16 local)
{
	key->cookie = cookie;
	key->local = local;
	key->port = p->port;
	key->family = p->family;
	key->protocol = p->protocol;
	__builtin_memcpy(key->addr, p->addr, 16);
}

__global long note_flow(const struct peer *p, __u64 cookie, __u16 local)
{
	struct flow_key key = {};
	__u64 now = bpf_ktime_get_ns();

	if (!p)
		return 0;

	fill_flow(&key, p, cookie, local);
	__u64 *seen = bpf_map_lookup_elem(&flows, &key);
	if (!seen || now - *seen > FLOW_REFRESH_NS)
		bpf_map_update_elem(&flows, &key, &now, BPF_ANY);
	return 1;
}

__global long known_flow(const struct peer *p, __u64 cookie, __u16 local)
{
	struct flow_key key = {};

	if (!p)
		return 0;
	fill_flow(&key, p, cookie, local);
	__u64 *seen = bpf_map_lookup_elem(&flows, &key);
	return seen && bpf_ktime_get_ns() - *seen < FLOW_NS;
}

static __always_inline int within_rate(void)
{
	__u32 zero = 0;
	struct bucket *b = bpf_map_lookup_elem(&buckets, &zero);
	if (!b)
		return 0;
	__u64 second = bpf_ktime_get_ns() >> 30;
	if (b->second != second) {
		b->second = second;
		b->used = 0;
	}
	return b->used++ < EVENT_RATE;
}

/* Counts a refusal and gives room to describe it, or 0 if there is none. The room is zeroed. */
static __always_inline struct event *refusal(__u8 op)
{
	struct event *e = 0;

	count(REFUSED);
	if (within_rate())
		e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(LOST);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->op = op;
	return e;
}

static __always_inline void set_peer(struct event *e, const struct peer *p)
{
	e->family = p->family;
	e->port = p->port;
	e->protocol = p->protocol;
	__builtin_memcpy(e->addr, p->addr, 16);
}

/* Only for programs that run in the task that asks. */
static __always_inline void set_caller(struct event *e)
{
	__u64 id = bpf_get_current_uid_gid();

	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->uid = id;
	e->gid = id >> 32;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
}
