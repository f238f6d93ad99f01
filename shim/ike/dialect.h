/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dialects of NAT-T in IKEv1 as a table, and the translation of one message between a dialect and RFC
 * 3947. Knows one message at a time; which exchange it belongs to is exchange.h's matter. Pure. RFC 3947
 * sections 3 and 4. */
#ifndef NATSHIM_SHIM_IKE_DIALECT_H
#define NATSHIM_SHIM_IKE_DIALECT_H

#include "shim/ike/exchange.h"
#include "shim/ike/isakmp.h"
#include "shim/ike/natd.h"
#include "shim/ike/vendor.h"

enum natd_order {
	NATD_ANY, /* sent: cannot be told by the vendor ID; wanted: does not matter */
	NATD_DESTINATION_FIRST,
	NATD_OWN_FIRST,
};

struct dialect {
	const char *name;
	enum vendor vendor; /* stands for RFC 3947's; VENDOR_UNKNOWN: no vendor ID is exchanged for another */
	enum natd_order sends; /* the client's order of NAT-D payloads */
	enum natd_order wants; /* the order that it insists on */
	uint8_t natd;          /* payload type of NAT-D; 0: not translated */
	uint8_t natoa;         /* likewise of NAT-OA (RFC 3947 section 5.2) */
	bool shimmed;          /* something of it must be changed for a server that speaks RFC 3947 */
};
const struct dialect *dialect_facts(enum ike_dialect dialect);

/* The dialect of a client's first message, by the set of vendor IDs in it. */
enum ike_dialect dialect_classify(const struct isakmp_message *message);

struct dialect_context {
	enum ike_dialect dialect; /* the client's */
	enum ike_direction direction;
	struct natd_hasher *hasher;
	uint8_t hash; /* as agreed: enum isakmp_hash; ISAKMP_HASH_NONE when it is not known */
	/* Where the message goes: as it stands on the packet, and the address by which its sender may know it
	 * (NULL, or addr_len 0: no other). Both are borrowed, and have the port of the first. */
	const struct endpoint *destination, *destination_seen;
};

/* Both edit the message in place and tell what they did (enum ike_edit). The first is for messages with an SA
 * payload, the second for those with a responder cookie. */
unsigned dialect_translate_vendor_id(const struct dialect_context *context, struct isakmp_message *message);
unsigned dialect_translate_natd(const struct dialect_context *context, struct isakmp_message *message);

#endif
