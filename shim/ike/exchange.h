/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Phase-1 exchanges of IKEv1, and what is changed in each of their clear messages.
 *
 * One call for each datagram: ike_translate() finds the exchange by its initiator cookie (it survives the
 * float from port 500 to 4500), learns the client's NAT-T dialect from the first message and rewrites this
 * and the later clear messages between that dialect and RFC 3947. It never changes a length, and touches only
 * the bytes that must change. Pure: no system call, no clock, no global; fixed bounds on memory. RFC 2408,
 * 2409, 3947. */
#ifndef NATSHIM_SHIM_IKE_EXCHANGE_H
#define NATSHIM_SHIM_IKE_EXCHANGE_H

#include "nfq/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IKE_COOKIE_LEN 8 /* bytes */

enum ike_direction { IKE_TO_SERVER, IKE_TO_CLIENT };

/* Why a message was left alone, or that it was not. Counted one by one; names through ike_reason_name(). */
enum ike_reason {
	IKE_REWRITTEN,      /* bytes were changed */
	IKE_ORDINARY,       /* understood, nothing to do */
	IKE_UNKNOWN,        /* not a first message, and of no exchange that is known */
	IKE_ENCRYPTED,      /* flag bit 0 set */
	IKE_OTHER_EXCHANGE, /* neither Main nor Aggressive Mode */
	IKE_OTHER_VERSION,  /* major version is not 1 */
	IKE_SHORT,          /* shorter than an ISAKMP header */
	IKE_BAD_LENGTH,     /* the header's length and the datagram's do not fit */
	IKE_BAD_PAYLOAD, /* a payload is shorter than its header, or runs past the end, or there are more than
			    64 */
	IKE_BAD_SA,      /* the SA payload's inside is malformed, or a first message has none */
	IKE_REASONS
};
/* Stable, for JSON and logs: "rewritten", "ordinary", "bad_length", ... */
const char *ike_reason_name(enum ike_reason reason);

/* What was edited (bits), for the log. */
enum ike_edit {
	IKE_EDIT_VENDOR_ID = 1,
	IKE_EDIT_NATD_TYPE = 2,
	IKE_EDIT_NATD_ORDER = 4,
	IKE_EDIT_NATOA_TYPE = 8,
	IKE_EDIT_NATD_HASHES = 16 /* the server's NAT is hidden (shim/ike/hide_nat.h) */
};

/* What the caller should do besides sending the message on (bits). */
enum ike_action {
	IKE_ACT_TRACK = 1, /* let later clear messages with this initiator cookie come up; said with each
			    * first message (repeated ones too), not with the later ones */
	IKE_ACT_REMEMBER_PEER =
		2, /* the peer's dialect is proven: let server-initiated exchanges with it come up */
	/* less is known of the peers than before: an ordinary client has shown itself at the
	 * endpoint, or the address, of one */
	IKE_ACT_FORGET_PEER = 4,
	IKE_ACT_NAT_HIDDEN = 16, /* from this client: log it; with a repeated message again */
};

/* In the order of shim/ike/dialect.c's table; names through ike_dialect_name(): "rfc3947", "apple",
 * "tiger-late", "leopard", "draft-04" ... "draft-08", "draft-02/03", "none". */
enum ike_dialect {
	IKE_DIALECT_NONE,
	IKE_DIALECT_RFC3947,
	IKE_DIALECT_APPLE,
	IKE_DIALECT_TIGER_LATE,
	IKE_DIALECT_LEOPARD,
	IKE_DIALECT_DRAFT_04,
	IKE_DIALECT_DRAFT_05,
	IKE_DIALECT_DRAFT_06,
	IKE_DIALECT_DRAFT_07,
	IKE_DIALECT_DRAFT_08,
	IKE_DIALECT_DRAFT_02_03,
	IKE_DIALECTS
};
const char *ike_dialect_name(enum ike_dialect dialect);
bool ike_dialect_parse(const char *name, enum ike_dialect *out);

struct ike_datagram {
	enum ike_direction direction;
	struct endpoint src, dst; /* as on the wire, ports included */
	uint8_t *message; /* the ISAKMP message (after the non-ESP marker on 4500); rewritten in place */
	size_t length;    /* bytes */
};

struct ike_result {
	enum ike_reason reason;
	enum ike_dialect dialect;
	unsigned edits;          /* enum ike_edit */
	unsigned actions;        /* enum ike_action */
	unsigned exchange_type;  /* 2 Main, 4 Aggressive (RFC 2408 section 3.1); 0 unknown */
	unsigned message_number; /* 1.. within the exchange as far as it is known, else 0 */
	bool server_initiated;
	bool watched;         /* of an exchange that is only looked at: its dialect needs no translation */
	struct endpoint peer; /* the client's side of the datagram */
	uint8_t cookie[IKE_COOKIE_LEN];    /* the initiator's, as in the message */
	uint8_t responder[IKE_COOKIE_LEN]; /* likewise; zero in a first message */
};

struct ike_config {
	/* Bound of the table, a quarter of it for exchanges that were answered. The least recently used one goes first, and an answered
	 * one for another such one only. At least 2; 0: 4096 */
	size_t max_exchanges;
	size_t max_peers;         /* likewise. 0: 4096 */
	uint64_t exchange_ttl_ms; /* 0: 120000 */
	uint64_t peer_ttl_ms;     /* 0: 8 h */
	uint64_t seed; /* secret and random: forged cookies and addresses must not be able to share a hash
			  bucket */
	struct endpoint public_addr4,
		public_addr6; /* the server's address as clients see it, when it is behind a NAT itself */
	bool hide_nat;        /* from Microsoft's clients, in exchanges that they begin */
};

struct ike_table; /* owned by the caller; not thread-safe */

struct ike_table *ike_table_new(const struct ike_config *config); /* NULL: out of memory */
void ike_table_free(struct ike_table *table);

/* Rewrites d->message in place where it must be. Never fails: what it does not understand is left as it is
 * and explained by result.reason. now_ms: any monotonic clock. */
struct ike_result ike_translate(struct ike_table *table, uint64_t now_ms, struct ike_datagram *d);

/* Peers whose dialect is known (not ordinary ones), for status and for the state file. age_ms: since last
 * seen. alone: nobody else was seen at its address, so that it is known by the address alone as well. */
typedef void ike_peer_fn(void *ctx, const struct endpoint *peer, enum ike_dialect dialect, uint64_t age_ms,
			 bool alone);
void ike_table_each_peer(const struct ike_table *table, uint64_t now_ms, ike_peer_fn *fn, void *ctx);
/* Put back one from the state file. False: unknown dialect, or already too old. */
bool ike_table_restore_peer(struct ike_table *table, uint64_t now_ms, const struct endpoint *peer,
			    enum ike_dialect dialect, uint64_t age_ms, bool alone);
/* The dialect last proven by exactly this endpoint; of an ordinary client, or an unknown one, IKE_DIALECT_NONE. */
enum ike_dialect ike_table_proven_dialect(const struct ike_table *table, uint64_t now_ms,
					  const struct endpoint *peer);
/* For status, profiles and quirks, of a client who is the only one at his address as far as is known: the dialect last proven by this
 * endpoint (exact address and port first, else the address alone), or else the one that was last offered from that address, ordinary ones
 * included. A hint, not a proof: anybody can forge a first message. */
enum ike_dialect ike_table_seen_dialect(const struct ike_table *table, uint64_t now_ms,
					const struct endpoint *peer);

struct ike_table_stats {
	size_t exchanges, peers;
	uint64_t evicted; /* entries that had to go before their time */
};
struct ike_table_stats ike_table_stats(const struct ike_table *table);

#endif
