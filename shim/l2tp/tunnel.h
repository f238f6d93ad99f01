/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tunnels that were seen, and the arithmetic that keeps their sequence numbers right; inside of shim/l2tp
 * only.
 *
 * An absorbed HELLO takes a place in the LNS' numbering and none in the client's. So each absorbed Ns is
 * remembered: LNS -> client: Ns is lowered by the number of absorbed ones before it (a retransmission keeps
 * its own offset); client -> LNS: Nr is raised over all absorbed ones that the client's Nr has reached: what
 * the client acknowledged, and the HELLOs right behind, never a message that it did not get. A HELLO that had
 * reached the client before it was found to leave them unanswered counts as absorbed, unless the client's next Nr
 * says that the client has counted it. The client's Ns and the LNS' Nr need no translation, for nothing is added in that direction but acknowledgements, and these
 * take no number (RFC 2661 section 5.8). All arithmetic is modulo 65536. Positions that can no longer come up
 * (far behind, or more than L2TP_ABSORBED_MAX back) are kept as a mere count. */
#ifndef NATSHIM_SHIM_L2TP_TUNNEL_H
#define NATSHIM_SHIM_L2TP_TUNNEL_H

#include "shim/l2tp/quirks.h"

/* An element that found no memory has hh.tbl == NULL; nothing ends the process. */
#define HASH_NONFATAL_OOM 1
/* The default function does not compile with clang's -Wimplicit-fallthrough. */
#define HASH_FUNCTION(key, length, hash) HASH_FNV(key, length, hash)
#include <uthash.h>

struct tunnel_key { /* hashed as bytes: no gaps */
	struct endpoint client;
	uint16_t tunnel; /* as assigned by the side that receives messages with it */
	uint16_t pad;    /* always zero */
};

/* A client (address and port inside) with its tunnels: no more than so many, so that nobody takes others' places. */
#define TUNNELS_OF_CLIENT_MAX 8
struct tunnel_owner {
	struct endpoint client;
	struct tunnel *tunnels; /* least recently used first */
	unsigned count;
	UT_hash_handle hh;
};

struct tunnel {
	struct l2tp_tunnel_state state; /* age_ms unused: seen_ms holds it */
	uint64_t seen_ms;
	uint64_t requested_ms; /* the newest SCCRQ; after a restart: seen_ms */
	uint64_t heard_ms;     /* the client's newest message; likewise */
	struct tunnel_key client_key, lns_key;
	UT_hash_handle hh_client;
	UT_hash_handle hh_lns;      /* not in the table as long as lns_tunnel is 0 */
	struct tunnel *prev, *next; /* least recently used first */
	/* L2TP_HELLO_LEARN */
	uint16_t hello_ns;     /* of the newest HELLO that went to the client before it was learned */
	uint16_t passed_next;  /* one after the Ns of the newest message that went to the client for good */
	unsigned hello_copies; /* HELLOs of which none was acknowledged, repeats included */
	bool answers_hello;    /* the client has acknowledged one */
	bool learned; /* it leaves them unanswered: absorb them. Nothing but tunnel_shifted() is left of it by a restart */
	bool may_count; /* the client may have counted hello_ns, which is among the absorbed ones */
	struct tunnel_owner *owner;
	struct tunnel *prev_own, *next_own; /* of the same client, likewise */
};

struct l2tp_table {
	struct tunnel *by_client, *by_lns, *lru;
	struct tunnel_owner *owners;
	l2tp_renewed_fn *renewed;
	void *ctx;
	size_t max_tunnels;
	uint64_t idle_ttl_ms, closed_ttl_ms;
	uint64_t evicted, absorbed;
	char hostname[L2TP_HOSTNAME_MAX];
	size_t hostname_length;
};

/* The tunnel that a message with this tunnel ID in its header belongs to; NULL: not known, or expired. */
struct tunnel *tunnel_find(struct l2tp_table *table, uint64_t now_ms, enum l2tp_direction direction,
			   const struct endpoint *client, uint16_t tunnel_id);
/* A new one, instead of one with the same ID. NULL: out of memory. */
struct tunnel *tunnel_begin(struct l2tp_table *table, uint64_t now_ms, const struct endpoint *client,
			    uint16_t client_tunnel);
void tunnel_touch(struct l2tp_table *table, uint64_t now_ms, struct tunnel *t);
/* Learns the LNS' ID for it. False: out of memory. */
bool tunnel_assign_lns(struct l2tp_table *table, struct tunnel *t, uint16_t lns_tunnel);

/* The client's tunnel that was requested last, of those whose ID at the LNS is not known; NULL: there is none. */
struct tunnel *tunnel_unanswered(struct l2tp_table *table, uint64_t now_ms, const struct endpoint *client);
/* The same client has another open tunnel, which has shown life since this one was requested. What a client left behind when it
 * vanished is older than that. */
bool tunnel_has_successor(struct l2tp_table *table, uint64_t now_ms, const struct tunnel *t);

/* One that the client has left behind: open, and not heard of since it has got new SAs; NULL: there is none. */
struct tunnel *tunnel_left(struct l2tp_table *table, uint64_t now_ms, const struct endpoint *client);

/* The LNS counts from zero again: it answered a repeated SCCRQ with another tunnel. */
void tunnel_restart_lns(struct tunnel *t);

/* What to do with a HELLO of the LNS, where not all are to pass. */
enum hello_fate { HELLO_PASS, HELLO_ABSORB };
enum hello_fate tunnel_hello(struct tunnel *t, uint16_t ns, enum l2tp_hello what);

bool tunnel_shifted(const struct tunnel *t); /* HELLOs were absorbed */
uint16_t tunnel_ns_to_client(const struct tunnel *t, uint16_t lns_ns);
uint16_t tunnel_nr_to_lns(const struct tunnel *t, uint16_t client_nr);
/* Notes the numbers of a message that passes; zlb: it takes no number; may_be_absorbed: a HELLO that does not pass for good. True:
 * something changed. */
bool tunnel_note_client(struct tunnel *t, uint16_t ns, uint16_t nr, bool zlb);
bool tunnel_note_lns(struct tunnel *t, uint16_t ns, bool zlb, bool may_be_absorbed);

/* The sessions in it, by the client's ID. remove says whether it was there. */
void tunnel_add_session(struct tunnel *t, uint16_t session);
bool tunnel_remove_session(struct tunnel *t, uint16_t session);

#endif
