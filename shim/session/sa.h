/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One IPsec security association as the kernel shows it, seen from this host. The common word of shim/stack,
 * which reads them, and shim/session, which makes sessions of them. Data only. */
#ifndef NATSHIM_SHIM_SESSION_SA_H
#define NATSHIM_SHIM_SESSION_SA_H

#include "nfq/endpoint.h"

struct sa_info {
	struct endpoint us, peer; /* outer addresses; port: UDP encapsulation (RFC 3948), 0 for plain ESP */
	struct endpoint
		host; /* the peer's real address, where the outer one is an alias (docs/design.md); addr_len 0: it is none */
	uint32_t spi;           /* host order */
	uint32_t reqid;         /* 0: none */
	uint8_t protocol;       /* 50: ESP */
	uint8_t upper_protocol; /* of the selectors: 17: UDP; 0: any */
	uint16_t our_port;      /* of the selectors, host order; 0: any */
	uint16_t peer_port;     /* likewise: the client's L2TP port */
	bool outbound;
	bool transport; /* transport mode; false: tunnel or anything else */
	bool dumped; /* out of a dump, or as out of one: it may have been read before a deletion that was told since */
	uint64_t bytes, packets;
	uint64_t add_time_s; /* wall clock, seconds since 1970; 0: not known */
};

/* An L2TP road warrior's SA: ESP in transport mode whose selectors say udp, 1701 on our side (RFC 3193
 * section 4). Whatever is not one is none of natshim's business. */
static inline bool sa_is_l2tp(const struct sa_info *sa)
{
	return sa->protocol == 50 && sa->transport && sa->upper_protocol == 17 && sa->our_port == 1701 &&
	       sa->peer.addr_len && sa->peer.addr_len == sa->us.addr_len;
}

#endif
