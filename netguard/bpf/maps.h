/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs and the guard share. The Go side of these structures is in kernel.go. */
#pragma once
#include "kernel.h"

#define ANY_UID 0xffffffffu

enum action { LISTEN = 1, CONNECT = 2 };

/* The operation that an event is about. */
enum operation { OP_SOCKET = 1, OP_BIND, OP_LISTEN, OP_CONNECT, OP_SEND };

/* One rule about addresses. Port 0 is every port. An IPv4 address is in the first four bytes of addr. */
struct inet_key {
	__u32 prefixlen;
	__u32 uid;
	__u16 port; /* host byte order */
	__u8 action;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 family;   /* AF_INET or AF_INET6, never v4-mapped */
	__u8 pad[3];
	__u8 addr[16];
};
#define INET_KEY_BITS ((4 + 2 + 1 + 1 + 1 + 3 + 16) * 8)

/* One rule about an abstract UNIX name. len is the name's, or UNIX_PREFIX for a rule about a prefix. */
struct unix_key {
	__u32 prefixlen;
	__u32 uid;
	__u16 len;
	__u8 action;
	__u8 pad;
	__u8 name[108];
};
#define UNIX_FIXED_BITS ((4 + 2 + 1 + 1) * 8)
#define UNIX_KEY_BITS (UNIX_FIXED_BITS + 108 * 8)
#define UNIX_PREFIX 0xffff

struct inet_set {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct inet_key));
	__uint(value_size, 4);
};

struct unix_set {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct unix_key));
	__uint(value_size, 4);
};

/* Two complete sets of rules; active says which one counts. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inet_set);
} inet_sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct unix_set);
} unix_sets SEC(".maps");

#define ACTIVE_SET 1   /* which of the two sets */
#define ACTIVE_USERS 2 /* it has rules for single users */
#define ACTIVE_LEARN 4 /* everything passes, and what is used is noted */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} active SEC(".maps");

/*
 * Who may be answered, and what a user's own rule let through. An answer has cookie 0 and the local port that was
 * spoken to; a grant has the socket's cookie and local port 0.
 */
struct flow_key {
	__u64 cookie;
	__u8 addr[16];
	__u16 port; /* the other side's */
	__u16 local;
	__u8 family;
	__u8 protocol;
	__u8 pad[2];
};
#define FLOW_NS (180ull * 1000 * 1000 * 1000)
#define FLOW_REFRESH_NS (1000ull * 1000 * 1000)
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct flow_key);
	__type(value, __u64); /* time last seen */
} flows SEC(".maps");

/* What was used while learning, each once. The value says nothing. */
struct use {
	__u32 uid;
	__u16 port;
	__u8 op;
	__u8 protocol;
	__u8 family;
	__u8 type;
	__u8 pad[2];
	__u8 addr[16];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct use);
	__type(value, __u32);
} uses SEC(".maps");

struct name_use {
	__u32 uid;
	__u8 op;
	__u8 len;
	__u8 pad[2];
	__u8 name[108];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct name_use);
	__type(value, __u32);
} name_uses SEC(".maps");

/* A refusal. Unnamed protocols have the number of the IP header or of the socket. */
struct event {
	__u32 pid; /* 0: a packet, nobody in particular */
	__u32 uid;
	__u32 gid;
	__u16 type;
	__u16 protocol;
	__u16 port;
	__u8 op;
	__u8 family;
	__u8 len; /* of name */
	__u8 pad[3];
	__u8 addr[16];
	__u8 comm[16];
	__u8 name[108];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

enum counter { REFUSED, LOST, UNNOTED, COUNTERS };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Protects the ring: each CPU may put in EVENT_RATE a second. */
#define EVENT_RATE 2000
struct bucket {
	__u64 second;
	__u64 used;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bucket);
} buckets SEC(".maps");
