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
#include "shim/daemon/pending_sas.h"

struct event_base;
struct log;
struct esp_hold; /* owned by the caller */

/* Random bytes that nobody can foresee: for IVs. */
typedef bool esp_hold_random_fn(void *ctx, uint8_t *out, size_t length);

/* nft and pending stay the caller's and must outlive it. NULL: out of memory. */
struct esp_hold *esp_hold_new(struct rules_nft *nft, struct pending_sas *pending, esp_hold_random_fn *random,
			      void *ctx);
void esp_hold_log(struct esp_hold *esp_hold, struct log *log); /* where packet-held goes; NULL: nowhere */
void esp_hold_free(struct esp_hold *esp_hold);
/* Joins the event loop; nothing is held before. 0 or -errno. */
int esp_hold_start(struct esp_hold *esp_hold, struct nfq_queue *queue, struct event_base *loop);

/* An SA is known by its destination and its SPI, in network order.
 * Before the server can install the SA, or the client can use it: from here on its packets are queued. */
void esp_hold_expect(struct esp_hold *esp_hold, const struct endpoint *client,
		     const struct endpoint *destination, const uint8_t spi[static 4]);
/* The kernel's SA had the keys before, and now has those of after. */
void esp_hold_rekeyed(struct esp_hold *esp_hold, const struct endpoint *destination,
		      const uint8_t spi[static 4], const struct esp_sa *before, const struct esp_sa *after);
/* The kernel's SA is another's: whatever waits goes on, as it is, and nothing more comes up. */
void esp_hold_refused(struct esp_hold *esp_hold, const struct endpoint *destination,
		      const uint8_t spi[static 4]);
/* The client has its side of it, or will have it that much later. */
void esp_hold_ready(struct esp_hold *esp_hold, const struct endpoint *destination,
		    const uint8_t spi[static 4], unsigned after_ms);

/* A packet that came up: NFQ_AS_IT_WAS where it is none of those. One that this host sends somebody else by the same SPI ends that
 * expectation: it would come up with each of his packets. */
enum nfq_verdict esp_hold_packet(struct esp_hold *esp_hold, struct nfq_packet *packet);
/* Paused: all packets go on, and none is held; for the time in which the queue is drained. Which SAs are expected stays. */
void esp_hold_pause(struct esp_hold *esp_hold, bool paused);
/* The kernel's set is new and empty: adds all of its elements again. */
void esp_hold_fill_set(struct esp_hold *esp_hold);

struct esp_hold_stats {
	uint64_t held, resealed; /* packets, of all times */
};
struct esp_hold_stats esp_hold_stats(const struct esp_hold *esp_hold);

#endif
