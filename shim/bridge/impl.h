/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of bridge mode, for the files of shim/bridge only: relay.c says whose message it is, bridge.c keeps the sessions and their
 * bounds, fresh.c the exchanges before message 3; phase1.c relays Main Mode, phase2.c what comes after it; names.c keeps identities
 * apart, child_sas.c knows the SAs that came of it and ends them. */
#ifndef NATSHIM_SHIM_BRIDGE_IMPL_H
#define NATSHIM_SHIM_BRIDGE_IMPL_H

#include "shim/bridge/bridge.h"
#include "shim/bridge/dh.h"
#include "shim/ike/lru.h"
#include "shim/ike/natd.h"
#include "shim/bridge/payloads.h"

/* An element that found no memory has hh.tbl == NULL; nothing ends the process. */
#define HASH_NONFATAL_OOM 1
/* The default function does not compile with clang's -Wimplicit-fallthrough. */
#define HASH_FUNCTION(key, length, hash) HASH_FNV(key, length, hash)
#include <uthash.h>
#include <utlist.h>

enum { LEG_CLIENT, LEG_SERVER, LEGS };
enum { MESSAGE_ID_LEN = 4, SPI_LEN = 4, NONCE_MIN = 8, NONCE_MAX = 256, ID_MAX = 64, QUICKS_MAX = 8 };
enum {
	DEFAULT_LIFE_S = 28800,
	LIFE_MAX_S = 7 * 24 * 3600,
	AFTER_LIFE_S = 600, /* how long an ISAKMP SA is kept after its lifetime without a Delete */
	CLOSED_S = 60,      /* how long a deleted one answers retransmissions */
};
enum { PHASE1_MESSAGES = 6, QUICK_MESSAGES = 3, TOLD_MAX = 4 };
enum { INFORMATIONAL = 5, QUICK_MODE = 32 }; /* exchange types */
enum { EXCHANGE_TYPE_AT = 18, FLAGS_AT = 19, MESSAGE_ID_AT = 20 };
enum { PROTO_ISAKMP = 1, PROTO_ESP = 3 };
enum {
	DELETE_HEAD = 8,
	PROTOCOL_AT = 4,
	SPI_SIZE_AT = 5
}; /* of the body of a Delete payload: DOI, protocol, SPI size, count */
enum {
	PAYLOAD_KE = 4,
	PAYLOAD_ID = 5,
	PAYLOAD_HASH = 8,
	PAYLOAD_NONCE = 10,
	PAYLOAD_NOTIFY = 11,
	PAYLOAD_DELETE = 12
};

/* A message and what it became, for retransmissions. */
struct retransmit_cache {
	uint8_t *in, *out;
	size_t in_length, out_length;
};

struct public_value {
	size_t length; /* as on the wire */
	uint8_t value[DH_LENGTH_MAX];
};
struct nonce {
	size_t length;
	uint8_t value[NONCE_MAX];
};
struct identity {
	size_t length; /* 0: none, or too long to be kept */
	uint8_t body[ID_MAX];
};

/* One side of an ISAKMP SA. */
struct leg {
	struct keys_suite suite;
	struct keys keys; /* from message 5 on; hash_length 0 before */
};

/* A client's exchange before its message 3: small, for there can be many, and a flood makes none bigger. What was said to either side
 * is made again when it is asked for again. */
struct opening {
	int64_t begun_ms;
	uint64_t said[2]; /* fingerprints of messages 1 and 2, as they came; 0: not yet */
	struct endpoint client, server;
	uint8_t cookies[ISAKMP_COOKIES_LEN];
	uint8_t *sa; /* body of the client's SA payload; owned */
	uint32_t sa_length, life_s, refused;
	uint32_t next;           /* in its bucket */
	struct keys_suite suite; /* the server's choice */
	enum ike_dialect dialect;
};
struct fresh_table {
	struct opening *at; /* the first count of capacity */
	uint32_t *bucket;   /* indices */
	size_t count, capacity, bytes, bytes_max, bucket_mask, hand;
	uint64_t lot; /* state of what draws lots */
};

/* What phase 1 takes, and the repeats of its messages. */
struct phase1 {
	struct opening opening; /* a client's: messages 1 and 2 */
	struct side {
		uint8_t secret[DH_SECRET_LEN];
		struct public_value own, peer;
		uint8_t *sa; /* body of the initiator's SA payload as it stood on this leg; owned */
		size_t sa_length;
	} side[LEGS];
	struct nonce nonce_i, nonce_r;
	struct retransmit_cache cache[PHASE1_MESSAGES + 1];
};

/* One Quick Mode. */
struct quick {
	struct quick *prev, *next;
	uint8_t id[MESSAGE_ID_LEN];
	int64_t begun_ms;
	bool by_server;
	unsigned passed; /* messages */
	uint8_t iv[LEGS][KEYS_BLOCK_MAX];
	struct nonce nonce_i, nonce_r;
	uint8_t spi_i[SPI_LEN], spi_r[SPI_LEN]; /* spi_i: of the first proposal, then of the chosen one */
	uint8_t *sa;                            /* body of the initiator's SA payload; owned */
	size_t sa_length;
	struct identity id_ci, id_cr; /* as the initiator sent them */
	unsigned group[LEGS];         /* of PFS; 0: none */
	uint8_t secret[LEGS][DH_SECRET_LEN];
	struct public_value peer[LEGS];
	uint8_t shared[LEGS][DH_LENGTH_MAX];
	struct retransmit_cache cache[QUICK_MESSAGES + 1];
};

enum list { LIST_HALF_OPEN, LIST_ESTABLISHED, LISTS }; /* before message 6, complete */

struct isakmp_sa {
	UT_hash_handle hh;
	struct isakmp_sa *prev, *next;
	enum list list;
	int64_t touched_ms, ends_ms; /* ends_ms: of a complete one */
	uint64_t key;                /* made of the initiator's cookie */
	uint8_t cookies[ISAKMP_COOKIES_LEN];
	struct endpoint client, server;
	enum ike_dialect dialect;
	bool by_server;
	bool closed;      /* a Delete has ended its ISAKMP SA */
	unsigned passed;  /* messages of phase 1 */
	unsigned refused; /* 1 << enum bridge_reason: why messages of it were dropped so far */
	uint32_t life_s;
	struct leg leg[LEGS];
	struct phase1 *phase1; /* NULL: it is long complete */
	uint8_t (*ids)
		[MESSAGE_ID_LEN]; /* of verified exchanges after phase 1, so that none counts as new twice */
	unsigned id_count;
	struct identity told_name; /* the client's ID of phase 1 as sent to the server */
	bool renamed;              /* that is not what the client says */
	struct quick *quicks;
	unsigned quick_count;
	struct identity client_id,
		server_id; /* the client's ID in Quick Mode, as it says and as the server says */
	struct bridge_child_sa child_sas[BRIDGE_CHILD_SAS_MAX];
	unsigned child_sa_count;
	bool had_child_sa;
	uint8_t ending; /* a bit for each child: while they are being ended */
	/* What natshim's own Deletes have told the client, the latest: their message IDs, and SPIs of the server's, */
	struct told {
		uint8_t ids[TOLD_MAX][MESSAGE_ID_LEN], spis[BRIDGE_CHILD_SAS_MAX][SPI_LEN];
		unsigned id_count, spi_count; /* of all times */
		bool end;                     /* and that this ISAKMP SA is deleted */
	} told;
};

/* What is remembered of a client for the exchanges that the server starts. */
struct known_client {
	struct keys_suite suite;
	enum ike_dialect dialect;
	bool ambiguous; /* several clients, not alike, at this address */
	struct identity client_id, server_id;
};

/* What clients of one host have: an IPv4 address, or an IPv6 network of 64 bits. */
struct host {
	unsigned half_open, established;
};

/* An address that was given to one client as its name towards the server. */
struct alias {
	struct endpoint nat;  /* the client's host as we see it */
	struct identity name; /* as it names itself */
	int64_t used_ms;
};

struct bridge {
	struct bridge_config config;
	struct crypto *crypto;
	struct dh *dh;
	struct natd_hasher *hasher;
	struct isakmp_sa *by_cookie;
	struct isakmp_sa *head[LISTS];
	size_t count[LISTS];
	struct lru *known; /* struct endpoint -> struct known_client */
	struct lru *hosts; /* struct endpoint -> struct host */
	struct fresh_table fresh;
	struct lru *gone;      /* cookie -> nothing: exchanges that had to go before they were complete */
	struct alias *aliases; /* BRIDGE_ALIAS_COUNT of them */
	uint64_t seed, evicted, exponentiations, changes;
	int64_t swept_ms;
	/* of the message under way */
	uint8_t copy[BRIDGE_MESSAGE_MAX];                      /* the message; then decrypted */
	uint8_t chain[BRIDGE_MESSAGE_MAX + BRIDGE_GROWTH_MAX]; /* payloads to be sent */
	uint8_t scratch[BRIDGE_GROWTH_MAX];
};

/* One message under way. */
struct message_ctx {
	struct bridge *bridge;
	int64_t now;
	const struct bridge_datagram *d;
	struct bridge_result *result;
	struct isakmp_message message; /* points into bridge->copy */
	const uint8_t *id;             /* message ID */
	struct payloads payloads;
	size_t chain_length;
	unsigned in, out; /* legs */
	bool moves;       /* it is new and verified: its ends are where it came from and went to */
};

static inline unsigned initiator_leg(bool by_server)
{
	return by_server ? LEG_SERVER : LEG_CLIENT;
}

/* Each returns what became of the message; what is relayed stands in d->out. */
enum bridge_reason bridge_phase1(struct message_ctx *ctx, struct isakmp_sa *s);
/* Messages 1 and 2 of a client's exchange, new ones and repeats. */
enum bridge_reason bridge_opening(struct message_ctx *ctx, struct opening *o);
enum bridge_reason bridge_quick(struct message_ctx *ctx, struct isakmp_sa *s);
enum bridge_reason bridge_informational(struct message_ctx *ctx, struct isakmp_sa *s);

/* The client's ID payload of phase 1, towards the server: makes the ID unique on the server's side. */
void bridge_name_client(struct message_ctx *ctx, struct isakmp_sa *s, struct payload *id);
void bridge_tell_alias(const struct isakmp_sa *s, struct bridge_result *result);

/* Reading and writing. Decrypting goes on in bridge->copy; iv is moved on. */
bool message_decrypt(struct message_ctx *ctx, const struct keys *keys, uint8_t *iv);
bool message_write_chain(struct message_ctx *ctx); /* payloads -> bridge->chain */
bool message_emit_clear(struct message_ctx *ctx);  /* chain -> d->out */
bool message_emit_sealed(struct message_ctx *ctx, const struct keys *keys, uint8_t *iv);
/* The chain with a HASH of these keys in front, for which the first payload makes room, encrypted. nonce: what HASH(2) is
 * over, too; third: HASH(3) of that Quick Mode. */
bool message_seal(struct message_ctx *ctx, const struct keys *keys, struct bytes nonce,
		  const struct quick *third, uint8_t *iv);
/* The bytes of the received payloads behind the first one. */
struct bytes message_rest(const struct message_ctx *ctx);
/* Back to the sender, in clear: a notification that says why (RFC 2408 section 3.14.1). */
enum refusal { INVALID_KEY_INFORMATION = 17, AUTHENTICATION_FAILED = 24 };
void message_refuse(struct message_ctx *ctx, enum refusal why);

/* A retransmission: the same message again. */
bool retransmit_same(const struct retransmit_cache *m, const struct message_ctx *ctx);
bool retransmit_answer(const struct retransmit_cache *m, struct message_ctx *ctx);
bool retransmit_store(struct retransmit_cache *m, const struct message_ctx *ctx);

bool identity_keep(struct identity *id, struct bytes body);
bool identity_is(const struct identity *id, struct bytes body);
static inline struct bytes identity_bytes(const struct identity *id)
{
	return (struct bytes){id->body, id->length};
}
static inline struct bytes public_bytes(const struct public_value *v)
{
	return (struct bytes){v->value, v->length};
}
static inline struct bytes nonce_bytes(const struct nonce *n)
{
	return (struct bytes){n->value, n->length};
}
bool nonce_keep(struct nonce *nonce, struct bytes body);
/* The public value of our own in that group. */
bool message_own_public(struct message_ctx *ctx, unsigned group, uint8_t secret[static DH_SECRET_LEN],
			struct public_value *out);
bool message_shared(struct message_ctx *ctx, unsigned group, const uint8_t secret[static DH_SECRET_LEN],
		    const struct public_value *peer, uint8_t *out);
/* In range, and no longer than the prime: kept as it stands on the wire. */
bool message_peer_public(struct message_ctx *ctx, unsigned group, struct bytes body,
			 struct public_value *out);

/* The client's and the server's transforms: the strongest one that can be served with a pre-shared key. */
const struct offer_transform *bridge_usable(const struct bridge *bridge, const struct offer *offer);
/* The table of sessions: bridge.c. */
struct isakmp_sa *isakmp_sa_add(struct message_ctx *ctx, bool by_server, enum ike_dialect dialect);
struct isakmp_sa *isakmp_sa_find(struct bridge *bridge, int64_t now, const uint8_t *cookie);
struct isakmp_sa *isakmp_sa_look_up(const struct bridge *bridge, const uint8_t *cookie);
void bridge_expire(struct bridge *bridge, int64_t now);
struct opening *bridge_find_opening(struct bridge *bridge, int64_t now, const uint8_t *cookie);
struct isakmp_sa *bridge_promote(struct message_ctx *ctx, struct opening *o);
void isakmp_sa_free(struct bridge *bridge, struct isakmp_sa *s);
bool bridge_random(struct bridge *bridge, uint8_t *out, size_t length);
bool isakmp_sa_keep_sa(struct isakmp_sa *s, unsigned leg, struct bytes body);
/* Room among the complete sessions of its client's host, where no other client's need go. False: there is none. */
bool isakmp_sa_make_room(struct bridge *bridge, const struct isakmp_sa *s, int64_t now);
/* An exchange after phase 1 has that message ID; kept: false where there is no room for more of them. */
bool isakmp_sa_had_id(const struct isakmp_sa *s, const uint8_t *id);
bool isakmp_sa_keep_id(struct isakmp_sa *s, const uint8_t *id);
void isakmp_sa_move(struct bridge *bridge, struct isakmp_sa *s, enum list list, int64_t now);
void isakmp_sa_remember_client(struct message_ctx *ctx, const struct isakmp_sa *s);
void quick_free(struct isakmp_sa *s, struct quick *q);
void quick_expire(struct isakmp_sa *s, int64_t now); /* frees Quick Modes whose peers no longer retransmit */
/* A whole message, encrypted: that of Quick Mode has been relayed before. */
bool quick_is_repeat(const struct isakmp_sa *s, const uint8_t *message, size_t length);

/* The cookie as tables know it: keyed, for cookies can be forged. */
uint64_t bridge_table_key(const struct bridge *bridge, const uint8_t *cookie);
bool fresh_open(struct fresh_table *table, size_t capacity, size_t bytes_max,
		uint64_t seed); /* false: out of memory */
void fresh_close(struct fresh_table *table);
/* Each is good until the next one is added or removed. fresh_add() makes room; NULL: out of memory. */
struct opening *fresh_find(struct bridge *bridge, const uint8_t *cookie);
struct opening *fresh_add(struct bridge *bridge, int64_t now, const uint8_t *cookie, struct bytes sa);
void fresh_remove(struct bridge *bridge, struct opening *o);
uint8_t *fresh_take_sa(struct bridge *bridge, struct opening *o); /* the caller frees it */
bool opening_is_over(const struct bridge *bridge, const struct opening *o, int64_t now);
/* An exchange that is not complete is forgotten, and for two minutes that it has been there is not. */
void bridge_let_go(struct bridge *bridge, const uint8_t *cookie, int64_t now);
bool bridge_is_gone(const struct bridge *bridge, const uint8_t *cookie, int64_t now);
const struct isakmp_sa *isakmp_sa_by_cookie(const struct bridge *bridge, const uint8_t *cookie);
/* A Delete payload of the server's says nothing that natshim has not told the client itself; a message with that ID is natshim's own. */
bool isakmp_sa_was_told(const struct bridge *bridge, const struct isakmp_sa *s, struct bytes delete);
bool isakmp_sa_told_by(const struct isakmp_sa *s, const uint8_t *id);
/* A Delete was said, and understood: kept for its repeats only. */
void isakmp_sa_close(struct bridge *bridge, struct isakmp_sa *s, int64_t now);
void isakmp_sa_add_child_sa(struct bridge *bridge, struct isakmp_sa *s, const uint8_t *spi_to_server,
			    const uint8_t *spi_to_client);
/* Teller has said that the SAs with these SPIs, its own, are deleted. */
void bridge_forget_child_sas(struct bridge *bridge, const struct endpoint *client, unsigned teller,
			     struct bytes spis);

#endif
