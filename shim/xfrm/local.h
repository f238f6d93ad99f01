/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is an address one of this host's own? Asked of the kernel's routing (RTM_GETROUTE: type local), remembered, so that it is
 * right with addresses of any interface and after a change. */
#ifndef NATSHIM_SHIM_XFRM_LOCAL_H
#define NATSHIM_SHIM_XFRM_LOCAL_H

#include "nfq/endpoint.h"

struct nl_sock;

#define LOCAL_MAX 64
struct local_addresses {
	struct nl_sock *route;
	struct endpoint known[LOCAL_MAX];
	unsigned count;
};

int local_open(struct local_addresses *local); /* 0 or -errno: no socket to ask over */
void local_close(struct local_addresses *local);
void local_forget(struct local_addresses *local); /* ask again: addresses may have changed */
bool local_remembered(const struct local_addresses *local,
		      const struct endpoint *address); /* without asking */
bool local_is(struct local_addresses *local, const struct endpoint *address);

#endif
