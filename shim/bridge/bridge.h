/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridge mode: IKEv1 Main Mode with a pre-shared key is relayed, with a Diffie-Hellman of its own on each leg, so that a
 * client can offer what the server's policy refuses (RFC 2409 sections 5.4 to 5.7).
 *
 * Same on both legs: cookies, nonces, message IDs, SPIs. Different: SA payload, public values, keys, IVs, every HASH;
 * each HASH of one side is verified before one's own goes to the other. Messages in, messages and actions out: pure
 * but for OpenSSL's arithmetic, memory bounded. Knows no kernel: the keys that the client's ESP SAs must have come out
 * as an action. */
#ifndef NATSHIM_SHIM_BRIDGE_BRIDGE_H
#define NATSHIM_SHIM_BRIDGE_BRIDGE_H

#include "shim/ike/exchange.h"
#include "shim/bridge/offer.h"

#define BRIDGE_MESSAGE_MAX 4096 /* bytes; a longer one is no message of ours */
#define BRIDGE_GROWTH_MAX 1024  /* bytes that one may grow by */
#define BRIDGE_REPLY_MAX 64
#define BRIDGE_TRACK_S 180

/* Addresses that stand in place of a client's ID of phase 1 towards the server, where another client has the same: 198.18.0.1 to
 * 198.18.4.0, of a range that is never on the Internet (RFC 2544, RFC 6890). Host order. */
#define BRIDGE_ALIAS_FIRST 0xc6120001U
#define BRIDGE_ALIAS_COUNT 1024

enum bridge_when {
	BRIDGE_NEEDED, /* clients that offer nothing but weak groups */
	BRIDGE_ALWAYS, /* and all whose dialect is translated */
};

/* The bridge does not know the secrets; it asks another process (shim/proc/secrets.h). Unknown: no answer. */
enum bridge_secret { BRIDGE_SECRET_NONE, BRIDGE_SECRET_THERE, BRIDGE_SECRET_UNKNOWN };
typedef enum bridge_secret bridge_has_secret_fn(void *ctx, const struct endpoint *server,
						const struct endpoint *client);
/* SKEYID of these two: prf(their secret, Ni_b | Nr_b). Returns its length; 0: not available now. */
typedef size_t bridge_skeyid_fn(void *ctx, const struct endpoint *server, const struct endpoint *client,
				uint8_t hash, struct bytes nonce_i, struct bytes nonce_r,
				uint8_t out[static KEYS_HASH_MAX]);
/* Whether there is, in the kernel, an ESP SA with one of these SPIs (network order) towards that destination. Unknown: there was no
 * answer. */
enum bridge_spi { BRIDGE_SPI_FREE, BRIDGE_SPI_THERE, BRIDGE_SPI_UNKNOWN };
typedef enum bridge_spi bridge_spi_fn(void *ctx, const struct endpoint *destination, const uint8_t (*spis)[4],
				      size_t count);
typedef bool bridge_random_fn(void *ctx, uint8_t *out, size_t length);
/* A tracked exchange was evicted: its messages need not be queued any more. */
typedef void bridge_untrack_fn(void *ctx, const uint8_t cookie[static IKE_COOKIE_LEN]);

struct bridge_config {
	enum bridge_when when;
	bool strongswan_answers; /* the server answers Quick Mode with NAT-OA and IDs of its own: pre-RFC Macs always need it */
	unsigned weak_groups;                      /* DH_GROUP_BIT of each */
	struct keys_suite offer[OFFER_SUITES_MAX]; /* towards the server */
	size_t offer_count;
	struct endpoint public_addr4, public_addr6; /* as in struct ike_config */
	bridge_has_secret_fn *has_secret;
	bridge_skeyid_fn *skeyid;
	bridge_spi_fn *find_spi;
	bridge_random_fn *random;
	bridge_untrack_fn *untrack; /* may be NULL */
	void *ctx;
	/* Exchanges before message 3, whose sender may be anybody; bytes: of their SA payloads. */
	size_t max_fresh;       /* 0: 65536 */
	size_t max_fresh_bytes; /* 0: 8 MiB */
	size_t max_gone;        /* of those that had to go: remembered by their cookies. 0: 32768 */
	/* From here on the sender has shown the server's cookie: it receives at its address. */
	size_t max_half_open; /* 0: 2048 */
	size_t max_sessions;  /* complete ones. 0: 4096 */
	/* Of one IPv4 address, or of one IPv6 network of 64 bits: half-open ones, and complete ones. */
	size_t max_half_open_per_address; /* 0: 64 */
	size_t max_per_address;           /* 0: 64 */
	uint64_t half_open_ms;            /* 0: 30000 */
};

/* What became of a message; counted one by one, names through bridge_reason_name(). */
enum bridge_reason {
	BRIDGE_RELAYED,
	BRIDGE_REPEATED,    /* a retransmission, answered from memory */
	BRIDGE_CLEAR,       /* of a bridged exchange, with nothing to change in it */
	BRIDGE_NOT_BRIDGED, /* of no bridged exchange, and begins none */
	BRIDGE_NO_PSK,      /* would be bridged, but there is no secret for this client */
	BRIDGE_AGGRESSIVE,  /* would be bridged, but for Aggressive Mode */
	BRIDGE_CERTIFICATE, /* would be bridged, but offers no pre-shared key */
	BRIDGE_NO_ANSWER,   /* would be bridged, but it is not known whether there is a secret */
	/* From here on the message goes nowhere. */
	BRIDGE_BUSY,    /* too many complete sessions of this address, each of another client */
	BRIDGE_LATE,    /* of an exchange that had to make room for others, or was too slow */
	BRIDGE_SECRETS, /* no answer from the process with the secrets; the client's repeat may succeed */
	BRIDGE_SPI_TAKEN, /* the client names an SPI of an SA that the server's host has towards its address: another's */
	BRIDGE_SPI_UNANSWERED, /* no answer whether there is one; the client's repeat may succeed */
	BRIDGE_TOLD,           /* a Delete of the server's, after natshim's own has told the client so */
	BRIDGE_UNEXPECTED, /* out of its order, another content than before, or of an exchange that is not understood */
	BRIDGE_MALFORMED,
	BRIDGE_BAD_KE, /* public value out of range */
	BRIDGE_BAD_HASH, /* HASH_I, HASH_R or HASH(1) to HASH(3) is wrong: another secret, or a forged message */
	BRIDGE_REFUSED, /* the answer is not one of the offered */
	BRIDGE_FAILED,  /* OpenSSL or memory */
	BRIDGE_REASONS
};
const char *bridge_reason_name(enum bridge_reason reason);

enum bridge_verdict { BRIDGE_PASS, BRIDGE_REPLACE, BRIDGE_DROP };

enum bridge_action {
	BRIDGE_ACT_TRACK = 1, /* queue all messages with this initiator cookie, both ways, for track_s */
	BRIDGE_ACT_ESTABLISHED =
		4, /* phase 1 is complete: log it; remember the peer for exchanges of the server */
	BRIDGE_ACT_REKEY_SAS = 8, /* give the kernel's SAs these keys before the message goes on */
	BRIDGE_ACT_REPLY = 16,    /* send reply back to where the message came from */
	BRIDGE_ACT_EXPECT =
		64, /* before the message goes on: the server's SA to the client will have result.spi_to_client */
	BRIDGE_ACT_READY = 128, /* the client has that SA, too, ready_ms after this message */
	BRIDGE_ACT_BEGUN = 32,  /* the first message of an exchange that is bridged from now on: log it */
};

/* The two ESP SAs of a Quick Mode. Each key holds KEYMAT of the client's leg: the encryption key, then the authentication key, as
 * long as the SA's algorithms take them. old: KEYMAT of the server's leg, which such an SA has before; one with other keys is
 * somebody else's, whatever the client has said. The caller wipes them. */
struct bridge_rekey {
	struct endpoint client, server;
	uint8_t spi_to_server[4], spi_to_client[4];
	uint8_t key_to_server[KEYS_MATERIAL_LEN], key_to_client[KEYS_MATERIAL_LEN];
	uint8_t old_to_server[KEYS_MATERIAL_LEN], old_to_client[KEYS_MATERIAL_LEN];
};

struct bridge_datagram {
	enum ike_direction direction;
	struct endpoint src, dst;
	const uint8_t
		*message; /* towards the server: as translated; towards the client: as the server sent it */
	size_t length;    /* bytes */
	enum ike_dialect dialect; /* of a client's first message */
	uint8_t *out;             /* where the message that replaces it is written */
	size_t capacity;          /* bytes there */
};

struct bridge_result {
	enum bridge_verdict verdict;
	enum bridge_reason reason;
	unsigned actions; /* enum bridge_action */
	bool again; /* another message of this exchange was dropped for the same reason before: log it once */
	size_t length;              /* of the message in out, with BRIDGE_REPLACE */
	unsigned track_s, ready_ms; /* track_s: BRIDGE_TRACK_S of an exchange that is not complete */
	uint8_t spi_to_client[4];   /* with BRIDGE_ACT_EXPECT and BRIDGE_ACT_READY */
	struct endpoint client;
	uint8_t cookie[IKE_COOKIE_LEN];
	struct keys_suite client_suite,
		server_suite; /* with BRIDGE_ACT_ESTABLISHED; the first also with BRIDGE_ACT_BEGUN */
	bool renamed;         /* with BRIDGE_ACT_ESTABLISHED: the server hears another name of the client, */
	uint8_t alias[4];     /* this IPv4 address */
	uint8_t reply[BRIDGE_REPLY_MAX];
	size_t reply_length;
	struct bridge_rekey rekey;
};

struct bridge; /* owned by the caller; not thread-safe */

struct bridge *bridge_new(const struct bridge_config *config); /* NULL: out of memory */
void bridge_free(struct bridge *bridge);                       /* wipes every key */
/* The server turned out to be such a one, or not: for clients that begin from now on. */
void bridge_set_strongswan_answers(struct bridge *bridge, bool strongswan_answers);

/* Whose share of what is bounded a client has: its IPv4 address, or its IPv6 network of 64 bits, without a port. */
struct endpoint bridge_host_of(const struct endpoint *client);
/* Handling that message may take Diffie-Hellman arithmetic, which is slow: better not while others wait. Cheap itself; of a message
 * that is not what it seems it may say so in vain. */
bool bridge_is_slow(struct bridge *bridge, const struct bridge_datagram *d);
/* now_ms: any monotonic clock. *result is large: it is the caller's. */
void bridge_message(struct bridge *bridge, uint64_t now_ms, const struct bridge_datagram *d,
		    struct bridge_result *result);

/* The exchanges whose messages must be queued, and for how many more seconds. */
typedef void bridge_session_fn(void *ctx, const uint8_t cookie[static IKE_COOKIE_LEN], unsigned seconds);
void bridge_each(const struct bridge *bridge, uint64_t now_ms, bridge_session_fn *fn, void *ctx);

struct bridge_stats {
	size_t half_open, established; /* half_open: those before message 3, too */
	uint64_t evicted, exponentiations;
	uint64_t changes; /* of what bridge_each_entry() tells */
};
struct bridge_stats bridge_stats(const struct bridge *bridge);
/* Forgets what is over, and wipes its keys: now and then, for nothing else may come for hours. */
void bridge_tick(struct bridge *bridge, uint64_t now_ms);

/* Children, their ends, and what a restart must know of them: shim/bridge/child_sas.c */

#define BRIDGE_CHILD_SAS_MAX 8 /* remembered of one session: the latest */
struct bridge_child_sa {
	uint8_t spi_to_server[4], spi_to_client[4]; /* network order */
};

/* An ISAKMP SA that the server has, or will with the message under way, with its children. Without natshim neither side can
 * say in it that anything ends. */
struct bridge_entry {
	struct endpoint client, server;
	uint8_t cookies[ISAKMP_COOKIES_LEN];
	unsigned child_sa_count;
	struct bridge_child_sa child_sas[BRIDGE_CHILD_SAS_MAX];
};
typedef void bridge_entry_fn(void *ctx, const struct bridge_entry *entry);
void bridge_each_entry(const struct bridge *bridge, bridge_entry_fn *fn, void *ctx);
/* The one with this cookie of its initiator. False: none. */
bool bridge_entry_of(const struct bridge *bridge, const uint8_t cookie[static IKE_COOKIE_LEN],
		     struct bridge_entry *out);
/* An exchange or a session, of exactly this address and port. */
bool bridge_has_client(const struct bridge *bridge, const struct endpoint *client);
/* Likewise, with a complete phase 1: before that there is no Quick Mode of it. */
bool bridge_is_established(const struct bridge *bridge, const struct endpoint *client);

#define BRIDGE_DELETE_MAX 160 /* bytes */
/* To be sent between these two, to the server as from the client or the other way round; the latter must come back through
 * bridge_message() on its way, like any message of the server's. */
struct bridge_delete {
	struct endpoint client, server;
	bool to_server;
	size_t length;
	uint8_t message[BRIDGE_DELETE_MAX];
};
typedef void bridge_delete_fn(void *ctx, const struct bridge_delete *delete);

struct bridge_sa {
	uint8_t spi[4]; /* network order */
	bool to_client;
};
/* Both sides are told that these SAs of a client are deleted, and then the ISAKMP SAs with it in which nothing is left (but for one
 * that has just come up). A client at another port of the same address is meant, too, if the server's own SPI is among them. False: not
 * all of them could be: one is not known here, or has no ISAKMP SA any more. */
bool bridge_end(struct bridge *bridge, uint64_t now_ms, const struct endpoint *client,
		const struct bridge_sa *sas, size_t count, bridge_delete_fn *fn, void *ctx);
/* The same for whole sessions, at most max of them. How many. */
size_t bridge_end_some(struct bridge *bridge, uint64_t now_ms, size_t max, bridge_delete_fn *fn, void *ctx);

#endif
