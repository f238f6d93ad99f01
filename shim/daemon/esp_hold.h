/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ESP of a bridged client around a Quick Mode: what the server's kernel sends with an SA whose keys are still the server's, or
 * that the client has not got yet; and what the client sends to an SA that the server has not installed yet.
 *
 * Such packets come up for the short while (the kernel's set "held") and wait in the queue; what was sealed with the server's
 * keys is sealed anew with the client's, and all of them go on, in their order, once their receiver can open them. So a rekey
 * under traffic loses nothing. Bounded; what finds no room goes on as it is. */
#ifndef NATSHIM_SHIM_DAEMON_ESP_HOLD_H
#define NATSHIM_SHIM_DAEMON_ESP_HOLD_H

#include "nfq/endpoint.h"
#include "nfq/queue.h"
#include "rules/nft.h"
#include "shim/bridge/esp.h"

struct event_base;
struct holding; /* owned by the caller */

/* Random bytes that nobody can foresee: for IVs. */
typedef bool holding_random_fn(void *ctx, uint8_t *out, size_t length);

struct holding *holding_new(struct rules_nft *nft, holding_random_fn *random,
			    void *ctx); /* NULL: out of memory */
void holding_free(struct holding *holding);
/* Joins the event loop; nothing is held before. 0 or -errno. */
int holding_start(struct holding *holding, struct nfq_queue *queue, struct event_base *loop);

/* An SA is known by its destination and its SPI, in network order.
 * Before the server can install it, or the client can use it: from here on its packets come up. */
void holding_expect(struct holding *holding, const struct endpoint *destination, const uint8_t spi[static 4]);
/* The kernel's SA had the keys before, and now has those of after. */
void holding_swapped(struct holding *holding, const struct endpoint *destination, const uint8_t spi[static 4],
		     const struct esp_sa *before, const struct esp_sa *after);
/* The kernel's SA is another's: whatever waits goes on, as it is, and nothing more comes up. */
void holding_refused(struct holding *holding, const struct endpoint *destination,
		     const uint8_t spi[static 4]);
/* The client has its side of it, or will have it that much later. */
void holding_ready(struct holding *holding, const struct endpoint *destination, const uint8_t spi[static 4],
		   unsigned after_ms);

/* A packet that came up: NFQ_AS_IT_WAS where it is none of those. One that this host sends somebody else by the same SPI ends that
 * expectation: it would come up with each of his packets. */
enum nfq_verdict holding_packet(struct holding *holding, struct nfq_packet *packet);
/* All go on now, and nothing is held any more: before the queue is closed or the rules are replaced. */
void holding_release_all(struct holding *holding);

struct holding_stats {
	uint64_t held, resealed; /* packets, of all times */
};
struct holding_stats holding_stats(const struct holding *holding);

#endif
