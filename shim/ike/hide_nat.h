/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server's NAT hidden from a client that refuses such a server: Windows, by default (error 809; its AssumeUDPEncapsulationContextOnSendRule).
 *
 * NAT-D payloads are not authenticated. In message 4 of Main Mode the client gets the hash of the address by which it knows the
 * server, and none of its own: it believes that only itself is behind a NAT, and encapsulates in UDP. Knows one message at a time.
 * Pure. RFC 3947 section 3.2. */
#ifndef NATSHIM_SHIM_IKE_HIDE_NAT_H
#define NATSHIM_SHIM_IKE_HIDE_NAT_H

#include "shim/ike/isakmp.h"
#include "shim/ike/natd.h"

/* By which address a client knows the server, as its message 3 proves. */
enum hide_nat_known { HIDE_NAT_UNKNOWN, HIDE_NAT_AS_OWN, HIDE_NAT_AS_PUBLIC };

struct hide_nat_context {
	struct natd_hasher *hasher;
	uint8_t hash; /* as agreed: enum isakmp_hash */
	/* The server's, as on the packet (its port is that of both), and the one outside of its NAT: addr_len 0: none. Borrowed. */
	const struct endpoint *own, *public;
};

/* Whether a first message has Microsoft's vendor ID. */
bool hide_nat_is_wanted(const struct isakmp_message *message);
enum hide_nat_known hide_nat_look(const struct hide_nat_context *context,
				  const struct isakmp_message *message);
/* Changes message 4 in place, a repeated one to the same bytes. False, and unchanged, if the client would see no NAT at the server. */
bool hide_nat_edit(const struct hide_nat_context *context, enum hide_nat_known known,
		   struct isakmp_message *message);

#endif
