/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries of the kernel's connection tracking: those that must go, so that the next packet of a flow is looked up in the NAT rules
 * anew, and how one translates. ctnetlink, over libmnl. Nothing here waits: the kernel answers inside sendmsg(). Needs CAP_NET_ADMIN. Kernel header:
 * linux/netfilter/nfnetlink_conntrack.h. */
#ifndef NATSHIM_NFQ_CONNTRACK_H
#define NATSHIM_NFQ_CONNTRACK_H

#include "nfq/endpoint.h"

struct conntrack; /* owned by the caller */

int conntrack_open(struct conntrack **out); /* 0 or -errno */
void conntrack_close(struct conntrack *conntrack);

/* The entry that a UDP packet from src to dst (IPv4, with ports) would find, in the zone that packets have by default. 0, also where
 * there is none, or -errno. */
int conntrack_forget(struct conntrack *conntrack, const struct endpoint *src, const struct endpoint *dst);

/* Whether the kernel translates that packet's source, or the destination of its answers, to that address (without port): 1 or 0, or
 * -errno; 0 also where there is no entry. */
int conntrack_translates(struct conntrack *conntrack, const struct endpoint *src, const struct endpoint *dst,
			 const struct endpoint *to);

#endif
