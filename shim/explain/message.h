/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One IKE message in words, and the facts in it that tell why an exchange stops. Reads through the walker of shim/ike and the offer
 * of bridge mode; knows no exchange but what it is told. Pure; every byte is hostile. RFC 2407, 2408, 2409, 3947, 7296. */
#ifndef NATSHIM_SHIM_EXPLAIN_MESSAGE_H
#define NATSHIM_SHIM_EXPLAIN_MESSAGE_H

#include "shim/bridge/offer.h"
#include "shim/explain/words.h"
#include "shim/ike/exchange.h"
#include "shim/ike/natd.h"

/* Notify messages (RFC 2408 section 3.14.1) that a verdict rests on. */
enum notification {
	NOTIFY_PAYLOAD_MALFORMED = 16,
	NOTIFY_NO_PROPOSAL_CHOSEN = 14,
	NOTIFY_INVALID_KEY_INFORMATION = 17,
	NOTIFY_INVALID_ID_INFORMATION = 18,
	NOTIFY_INVALID_HASH_INFORMATION = 23,
	NOTIFY_AUTHENTICATION_FAILED = 24,
};

enum message_exchange { /* RFC 2408 section 3.1, RFC 2409 section 5, RFC 7296 section 3.1 */
			MESSAGE_MAIN = 2,
			MESSAGE_AGGRESSIVE = 4,
			MESSAGE_INFORMATIONAL = 5,
			MESSAGE_TRANSACTION = 6,
			MESSAGE_QUICK = 32,
};

enum nat_seen { NAT_UNKNOWN, NAT_NO, NAT_YES };

struct message_facts {
	bool readable;                 /* the header is sound; else what stands in words says why not */
	bool ikev2, encrypted, broken; /* broken: its payloads run past its end */
	uint8_t exchange;
	uint8_t cookies[ISAKMP_COOKIES_LEN];
	uint32_t id; /* message ID, host order */
	bool has_sa, has_ke;
	struct offer offer;       /* count 0: none that could be read; its transforms' bytes are not kept */
	unsigned vendors;         /* VENDOR_BIT of each */
	unsigned windows;         /* version of Microsoft's IKE, 0: none */
	enum ike_dialect dialect; /* by its vendor IDs */
	uint8_t natd;             /* payload type of NAT-D: 15, 20, 130; 0: none */
	enum nat_seen nat_src,
		nat_dst; /* whether a NAT stands between the sender's, the receiver's address here and the one hashed */
	unsigned notification; /* the first one's type; 0: none */
	unsigned ke_length;    /* bytes */
};

struct message_context {
	struct natd_hasher *hasher;
	uint8_t hash;                  /* as agreed (enum isakmp_hash) */
	struct endpoint src, dst;      /* as in the packet */
	struct endpoint server_public; /* addr_len 0: none */
	bool from_client;
	unsigned number; /* of the message in its exchange, 0: not known */
};

/* Facts alone; data is not changed. */
void message_read(uint8_t *data, size_t length, const struct message_context *context,
		  struct message_facts *out);
/* And in words: a title of one line, and lines of detail. */
void message_words(uint8_t *data, size_t length, const struct message_context *context,
		   const struct message_facts *facts, struct words *title, struct words *detail);

#endif
