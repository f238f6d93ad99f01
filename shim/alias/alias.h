/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several clients behind one NAT: who has which address of his own towards the server.
 *
 * A server cannot tell two L2TP/IPsec clients at one public address apart: both have the selectors ADDRESS udp/1701. The second one
 * therefore gets an alias, an address from a range of natshim's own: nftables rewrites the source of its IKE and of its ESP in UDP
 * (and the destination of what the server sends), outside the encryption. This room decides who gets one, and keeps it: it takes in
 * what the packet path sees of IKE (RFC 2408 section 3.1; the float from UDP 500 to 4500: RFC 3947 section 4) and says which pairs of
 * addresses the kernel's maps have to hold. Pure: no system call, no clock, no global; all memory is taken at the start.
 *
 * What it keeps:
 *  - A client that is alone at its address keeps that address. An alias is given at the first message of phase 1, and only where
 *    another session or another half-open phase 1 is at the same public address.
 *  - A flow is an address and UDP port behind which the NAT has one client. A client is known by its flow on port 500, then by its
 *    initiator cookie, which it brings to its flow on 4500.
 *  - A flow on 4500 gets an alias only when its message shows the responder cookie that the server sent to that client's flow on
 *    500, which the kernel has noted: who cannot receive there moves nobody. A flow whose session has traffic is never moved; a
 *    client that has begun anew by both its flows repeats its message until that session has been silent for long enough.
 *  - An alias is given to nobody else while a session is at it. The one that was free for longest goes first.
 *  - When its NAT gives a client another port in mid-session, its session's flow on 4500 moves only after the kernel has decrypted a
 *    packet of its SA that came by that port, and only to a port that no live session has. The server goes on to know the flow by its
 *    old port, unless it has followed by itself. Until then the new port is on trial: packets from there reach the server as of the
 *    client's alias, from a port that the server does not know, which moves nothing.
 *  - What a client offers is what its own exchange offered: proven at the float; of one without an alias, which has none, what its flow on
 *    500 offered before it had a session, and nothing where that may be another client's.
 *  - Half-open clients are bounded for each public address and in all, and make room only for half-open ones.
 *
 * IPv4 only. Times are ms of any monotonic clock, ports host order, cookies as on the wire. */
#ifndef NATSHIM_SHIM_ALIAS_ALIAS_H
#define NATSHIM_SHIM_ALIAS_ALIAS_H

#include "nfq/endpoint.h"

#define ALIAS_COOKIE_LEN 8             /* bytes */
#define ALIAS_MAX 4096                 /* aliases in all, or as many as the range has */
#define ALIAS_PER_ADDRESS_MAX 256      /* of one public address */
#define ALIAS_HALF_OPEN_MAX 2048       /* in all, of clients that have not floated yet */
#define ALIAS_HALF_OPEN_ADDRESS_MAX 64 /* of these, of one public address; one more replaces the oldest */
#define ALIAS_HALF_OPEN_MS 30000       /* a phase 1 that has not floated is over then */
#define ALIAS_FLOATED_MS 60000         /* likewise, one that has, but no session has come of it */
#define ALIAS_LINGER_MS 30000          /* an alias is kept that long after its session has gone */
#define ALIAS_OFFER_KEPT_MS                                                                                  \
	300000 /* over a restart, of a client without an alias: later, another one may be at its address */
/* A client with a session that begins a phase 1 on port 500 earlier is another one behind a reused port of the NAT, or has lost that
 * session: RFC 3947 section 4 has it rekey on 4500, and phase 1 lives for an hour at least in all clients that are known. */
#define ALIAS_REKEY_MS 2400000
#define ALIAS_TRIAL_MS 20000        /* a new port is on trial for so long */
#define ALIAS_TRIALS_ADDRESS_MAX 64 /* at once, of one public address */
#define ALIAS_TRIALS_MAX 1024       /* and in all; one more is refused */
#define ALIAS_MOVE_MS 3000          /* between two moves of a client */
#define ALIAS_QUIET_MS                                                                                       \
	15000 /* a session without a packet for so long may lose its flow to a client that has proven itself */

struct alias_table; /* owned by the caller; not thread-safe */

/* What the caller knows of the kernel's sessions at an address, with port 0: at any port of it. */
struct alias_life {
	bool lives;        /* there is an SA of L2TP */
	bool plain;        /* of ESP without UDP: no NAT in between */
	uint64_t quiet_ms; /* since the last packet in its SAs; of several sessions the shortest */
};
typedef struct alias_life alias_life_fn(void *ctx, const struct endpoint *at);
/* Whether the server has answered with that cookie to the flow of a followed exchange, which is at the same address as from. */
typedef bool alias_answered_fn(void *ctx, const struct endpoint *from,
			       const uint8_t cookie[static ALIAS_COOKIE_LEN],
			       const uint8_t responder[static ALIAS_COOKIE_LEN]);

/* Whether the kernel can translate: asked before one is given. */
typedef bool alias_ready_fn(void *ctx);
/* The word for an offer, as in alias_offers(), that begins with a letter; and back. */
typedef const char *alias_offer_name_fn(uint8_t offer);
typedef bool alias_offer_parse_fn(const char *word, uint8_t *offer);

struct alias_config {
	struct endpoint net; /* the range's address */
	unsigned prefix;     /* its length, 8 to 30 bits; network and broadcast addresses are not used */
	uint64_t seed;       /* secret and random: forged addresses must not be able to share a hash bucket */
	alias_life_fn *life;
	alias_answered_fn *answered;
	alias_ready_fn *ready;
	alias_offer_name_fn *offer_name; /* NULL, as offer_parse: no offer outlives a restart */
	alias_offer_parse_fn *offer_parse;
	void *ctx; /* these are called from within the functions below; they must not change the table */
};

/* NULL: out of memory, or a range that is none. */
struct alias_table *alias_table_new(const struct alias_config *config);
void alias_table_free(struct alias_table *table);

/* One pair of the kernel's maps: the client's real flow, and how the server sees it. */
struct alias_change {
	struct endpoint real, alias, server; /* server: its port is 500 or 4500 */
	bool there;                          /* false: to be taken out */
	bool tracked_only; /* it is in no map: only what connection tracking has of it is old */
};
#define ALIAS_CHANGES_MAX 12

struct alias_result {
	bool drop; /* the message must not go on, nor its repeats, which stay followed */
	bool settled,
		ended; /* for the log: this client uses its alias from now on, or that one has done so */
	bool moved;    /* likewise: its NAT has moved it, from the flow "was" */
	struct endpoint client, alias, was; /* with these */
	/* The server's answers to flow in that exchange must be noted, and what brings their cookie to 4500 be queued: or not any more. */
	bool follow, unfollow;
	struct endpoint flow; /* with follow, unfollow or settled: the client's on port 500 */
	size_t change_count;
	struct alias_change changes[ALIAS_CHANGES_MAX]; /* in this order, before the message goes on */
};

/* A first message of phase 1 from that flow to the server's port 500 or 4500, repeated ones too. */
struct alias_result alias_first(struct alias_table *table, uint64_t now_ms, const struct endpoint *from,
				const struct endpoint *to, const uint8_t cookie[static ALIAS_COOKIE_LEN]);
/* What such a message offers, a number of the caller's: to be said after alias_first(). */
void alias_offers(struct alias_table *table, const struct endpoint *from, const struct endpoint *to,
		  const uint8_t cookie[static ALIAS_COOKIE_LEN], uint8_t offer);
/* A later message from that flow to the server's port 4500: of a followed exchange, or another. */
struct alias_result alias_float(struct alias_table *table, uint64_t now_ms, const struct endpoint *from,
				const uint8_t cookie[static ALIAS_COOKIE_LEN],
				const uint8_t responder[static ALIAS_COOKIE_LEN]);

/* A packet for the server's port 4500 from a flow that nobody is known by. Of ESP: at, where the server believes the SA's client to be.
 * That client's alias is tried for the flow; nothing else changes. */
struct alias_result alias_stray_esp(struct alias_table *table, uint64_t now_ms, const struct endpoint *from,
				    const struct endpoint *at);
/* Likewise, a message of IKE: the client is the one that has had that exchange. */
struct alias_result alias_stray_ike(struct alias_table *table, uint64_t now_ms, const struct endpoint *from,
				    const uint8_t cookie[static ALIAS_COOKIE_LEN],
				    const uint8_t responder[static ALIAS_COOKIE_LEN]);
/* The kernel has decrypted a packet that came from "from", as the server sees it, by an SA whose client the server (us) believes to be
 * at "at". followed: believed, since it knows it by "from" meanwhile. */
struct alias_result alias_moved(struct alias_table *table, uint64_t now_ms, const struct endpoint *us,
				const struct endpoint *at, const struct endpoint *from, bool followed);
/* The server sends ESP to there now: it has followed a client to a port on trial, or nothing has changed. */
struct alias_result alias_followed(struct alias_table *table, uint64_t now_ms, const struct endpoint *to);
/* Whether a client of that public address is in the kernel's maps. */
bool alias_is_mapped(const struct alias_table *table, const struct endpoint *host);

/* All SAs of the kernel are known: what "life" says of clients from before a restart is true from now on. */
void alias_sas_known(struct alias_table *table);
/* Gives back what nobody uses any more. To be called every few seconds, but not before all SAs of the kernel are known; again as
 * long as it returns true, each time after *out was carried out. */
bool alias_expire(struct alias_table *table, uint64_t now_ms, struct alias_result *out);

/* One's other name: from an alias (any port; 0: none) to the real flow, and back. False: it has none. A client without an alias that its
 * NAT has moved is known by its old port, and both have one address. */
bool alias_real(const struct alias_table *table, const struct endpoint *alias, struct endpoint *real);
bool alias_of(const struct alias_table *table, const struct endpoint *real, struct endpoint *alias);

/* The flow to port 500 of the client that the server sees there: by its alias, else by its flow to 4500, else the one that keeps the address. */
bool alias_ike_flow(const struct alias_table *table, const struct endpoint *seen, struct endpoint *flow);

/* What the client offers that the server sees there; port 0: its port on 4500 is not known. */
enum alias_offer {
	ALIAS_OFFER_NOBODY,  /* nobody is known at that address */
	ALIAS_OFFER_UNKNOWN, /* somebody is, but not what this client offers, or which one it is */
	ALIAS_OFFER_KNOWN,
};
enum alias_offer alias_offer_of(const struct alias_table *table, const struct endpoint *seen, uint8_t *offer);

/* Each alias of that public address, port 0. */
typedef void alias_fn(void *ctx, const struct endpoint *alias);
void alias_each_of(const struct alias_table *table, const struct endpoint *host, alias_fn *fn, void *ctx);
/* Each pair of the kernel's maps: after they were emptied. */
typedef void alias_pair_fn(void *ctx, const struct alias_change *pair);
void alias_each_pair(const struct alias_table *table, alias_pair_fn *fn, void *ctx);

/* For a restart: one line for each client, "ALIAS SERVER IKE-FLOW ESP-FLOW AGE_MS", "-" for what it has not, without a newline; of one that was
 * moved, one more word: the port that the server knows; and last its offer, if that is known. */
#define ALIAS_TEXT_MAX 128
typedef void alias_text_fn(void *ctx, const char *line);
void alias_each_text(const struct alias_table *table, uint64_t now_ms, alias_text_fn *fn, void *ctx);
/* Whether a line may have become another one since this was last asked, or with what a result tells to change. */
bool alias_text_changed(struct alias_table *table);
/* Puts one back, more_ms older than the line says. False: the line makes no sense, or somebody has that flow or alias already, or
 * there is no room. */
bool alias_restore(struct alias_table *table, uint64_t now_ms, const char *line, uint64_t more_ms);

struct alias_stats {
	size_t clients, aliases, half_open; /* half_open: of the aliases */
	uint64_t given,
		refused; /* refused: no alias was free, or not for that address, or the kernel cannot translate */
	uint64_t moved;                  /* times that a client's NAT has moved it, and its session went on */
	uint64_t trials, trials_refused; /* of new ports */
	size_t moved_now;                /* clients without an alias that are known by an old port */
	uint64_t
		rekeys; /* messages dropped, since a client that has a session rekeys from a new port of its NAT */
};
struct alias_stats alias_stats(const struct alias_table *table);

#endif
