/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SAs of bridged clients around a Quick Mode, in one table: from the message that names an SPI until the kernel's SA has its new
 * keys and both ends use it. sa_keys.c puts in the keys that the SA must get, esp_hold.c the packets that wait for it.
 * Bounded: no client's SAs push out those of a client that has fewer. Makes no system call. */
#ifndef NATSHIM_SHIM_DAEMON_PENDING_SAS_H
#define NATSHIM_SHIM_DAEMON_PENDING_SAS_H

#include "nfq/endpoint.h"
#include "shim/bridge/esp.h"
#include "shim/xfrm/rekey.h"

#define PENDING_SAS_MAX 256
#define PENDING_SAS_OF_CLIENT_MAX 32

struct held_packet;

struct pending_sa {
	struct endpoint client; /* whose it is, with its port */
	/* Without a port: at any; with one: behind a NAT there may be others at the same address. */
	struct endpoint destination;
	uint8_t spi[4]; /* network order */
	uint64_t age;   /* a lower one was added earlier; 0: this place is free */

	struct pending_keys {
		uint64_t since_ms; /* when they were agreed; 0: none wait */
		struct rekey_change change;
	} keys;

	struct pending_hold {
		uint64_t ends_ms;    /* 0: no packets of this SA are queued */
		uint64_t ready_ms;   /* when the receiver has the SA; 0: not known yet */
		uint64_t release_ms; /* when the packets go on at the latest; 0: none wait */
		bool rekeyed,
			released; /* the kernel's SA has the new keys; its packets do not wait any more */
		struct esp_sa before, after; /* with rekeyed: the keys */
		struct held_packet *first, *last;
		size_t packets;
	} hold;
};

struct pending_sas; /* owned by the caller */

struct pending_sas *pending_sas_new(void);        /* NULL: out of memory */
void pending_sas_free(struct pending_sas *table); /* wipes every key */
/* Called before an SA is dropped for another one: its packets must be released. */
typedef void pending_sas_drop_fn(void *ctx, struct pending_sa *sa);
void pending_sas_on_drop(struct pending_sas *table, pending_sas_drop_fn *fn, void *ctx);

/* The client's SA with that destination and SPI; added if it is not there. It takes the place of its client's oldest one when that
 * client has PENDING_SAS_OF_CLIENT_MAX, and else, in a full table, of the oldest one of the client that has most. */
struct pending_sa *pending_sas_add(struct pending_sas *table, const struct endpoint *client,
				   const struct endpoint *destination, const uint8_t spi[static 4]);
/* All, in any order: NULL begins, and ends. The caller may remove the last one, and add others. */
struct pending_sa *pending_sas_next(struct pending_sas *table, struct pending_sa *last);
/* The ports are compared where both have one. */
bool pending_sa_is(const struct pending_sa *sa, const struct endpoint *destination,
		   const uint8_t spi[static 4]);
/* Frees the place, if neither keys nor packets wait. */
void pending_sas_tidy(struct pending_sas *table, struct pending_sa *sa);

/* Keys that wait; and packets of this client that do. */
size_t pending_sas_with_keys(struct pending_sas *table);
size_t pending_sas_packets_of(struct pending_sas *table, const struct endpoint *client);

#endif
