/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the table of aliases: its records and the ways to find them. Only the files of shim/alias include this. clients.c keeps the
 * records, their lists and the numbers of the aliases; alias.c has the rules; text.c what outlives a restart. */
#ifndef NATSHIM_SHIM_ALIAS_IMPL_H
#define NATSHIM_SHIM_ALIAS_IMPL_H

#include "shim/alias/alias.h"

#define NUMBERS_MAX                                                                                          \
	((size_t)2 *                                                                                         \
	 ALIAS_MAX) /* a number may stand twice in the ring: it is passed over where it is taken */

enum {
	CLIENTS_MAX = 16384,                 /* lone ones too */
	BUCKETS = 16384,                     /* a power of two */
	TRIALS_MAX = 4,                      /* new ports of one client, the newest ones */
	CLIENT_CHANGES_MAX = 2 + TRIALS_MAX, /* pairs of the kernel's maps that go with one client */
	EXCHANGES_MAX = 4,                   /* cookies of one client that are remembered, the newest ones */
	IKE_PORT = 500,
	NATT_PORT = 4500,
};

struct exchange {
	uint8_t cookie[ALIAS_COOKIE_LEN], responder[ALIAS_COOKIE_LEN]; /* responder: once it has floated */
	bool used, floated, refused;
	bool has_offer;
	uint8_t offer; /* with that, as in alias_offers() */
};

/* What is known of a client's offer. */
enum offered {
	OFFER_UNKNOWN,
	OFFER_HEARD,  /* in a first message, which anybody can forge */
	OFFER_MIXED,  /* in several, and not one and the same; or it may be another client's */
	OFFER_PROVEN, /* in the exchange that it has brought to port 4500 */
};

/* A new port of its NAT, and the port that the server sees meanwhile; port 0: none. */
struct trial {
	uint16_t port, as;
	uint64_t since_ms;
};

/* Index 0 of the pool is nobody. */
struct client {
	uint32_t next_in_bucket;
	uint32_t older, newer; /* in the list of those that are half-open for the first time */
	uint32_t host, server; /* its public address, and the server's that it speaks to; host order */
	uint16_t ike, esp;     /* ports of its flows to 500 and 4500; 0: none is known */
	uint16_t known;        /* the port that the server knows esp by; another one since its NAT moved it */
	uint16_t number;       /* of its alias in the range; 0: it keeps its own address */
	bool used, listed;
	bool lived;    /* a session was seen at its address */
	bool restored; /* from before a restart */
	bool renews;   /* its last phase 1 began while it had a session */
	bool floated;
	/* Of its first exchange: its flow on 500 was that of a client with a session, which had this flow on 4500 (0: not known, of one
	 * without an alias), since took_ms; 0: it was nobody's. waits_ms: see wait_for_silence(). */
	uint16_t took_esp;
	uint64_t took_ms, waits_ms;
	uint8_t newest; /* of the exchanges */
	struct exchange exchanges[EXCHANGES_MAX];
	uint64_t began_ms; /* the phase 1 that is half-open, or was the last to be */
	uint64_t floated_ms;
	uint64_t since_ms; /* its session was first seen, or its last phase 1 has floated */
	uint64_t lived_ms; /* its session was seen last */
	struct trial trials[TRIALS_MAX];
	uint64_t moved_ms;     /* 0: never */
	uint64_t rekeys_until; /* it has shown that it rekeys from its flow on 500 */
	uint8_t offered;       /* enum offered */
	uint8_t offer;         /* with OFFER_HEARD and OFFER_PROVEN */
};

struct alias_table {
	struct alias_config config;
	uint32_t net, count; /* host order; aliases are net + 1 .. net + count */
	struct client *clients;
	uint32_t buckets[BUCKETS];
	uint32_t free_clients, used_clients; /* a chain through next_in_bucket; how many were ever used */
	uint32_t oldest, newest;             /* the list */
	uint32_t owners[ALIAS_MAX + 1];      /* by number */
	uint16_t free_numbers[NUMBERS_MAX];  /* a ring; may hold some that are taken */
	size_t free_head, free_count;
	uint32_t cursor; /* of alias_expire() */
	size_t trials;
	bool text_changed; /* see alias_text_changed() */
	bool sas_known;    /* see alias_sas_known() */
	struct alias_stats stats;
};

static inline bool clients_has_offer(const struct client *client)
{
	return client->offered == OFFER_HEARD || client->offered == OFFER_PROVEN;
}

uint32_t clients_host(const struct endpoint *at);
bool clients_in_net(const struct alias_table *table, uint32_t host);
struct endpoint clients_server(const struct client *client, uint16_t port);
struct endpoint clients_real(const struct client *client, uint16_t port);
/* As the server knows it: its alias, or its own address. */
struct endpoint clients_alias(const struct alias_table *table, const struct client *client, uint16_t port);

/* All return NULL for nobody. */
struct client *clients_first(const struct alias_table *table, uint32_t host);
struct client *clients_next(const struct alias_table *table, const struct client *client);
struct client *clients_of_flow(const struct alias_table *table, uint32_t host, uint16_t server_port,
			       uint16_t port);
struct client *clients_of_cookie(const struct alias_table *table, uint32_t host, const uint8_t *cookie,
				 struct exchange **exchange);
struct client *clients_of_number(const struct alias_table *table, uint32_t number);

/* A new one, in the list; NULL: no room. */
struct client *clients_add(struct alias_table *table, uint32_t host);
/* Not found any more; its alias can be given again, after all others. */
void clients_remove(struct alias_table *table, struct client *client);
void clients_list(struct alias_table *table, struct client *client);
void clients_unlist(struct alias_table *table, struct client *client);
struct client *clients_oldest(const struct alias_table *table); /* of the list */

/* The alias that was free for longest, for that client; with number that one. False: none is free, or not that one. */
bool clients_take_alias(struct alias_table *table, struct client *client, uint32_t number);

#endif
