// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The socket rules of one container, as programs on its cgroup. One object, so that all share one set of maps.
 *
 *   kernel.h   types and helpers of the kernel
 *   maps.h     what is shared with the guard
 *   rules.h    look-ups and events
 *   address.h  sock_create, bind, connect, sendmsg
 *   packet.h   packets in and out
 *   unix.h     abstract UNIX names
 */
#include "address.h"
#include "packet.h"
#include "unix.h"

char _license[] SEC("license") = "Dual BSD/GPL";
