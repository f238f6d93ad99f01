/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ESP packets of a bridged client around a Quick Mode: those that the server's kernel sends with an SA that still has the keys of the
 * server's leg, or that the client does not have yet; and those that the client sends to an SA that the server has not installed yet.
 *
 * The kernel queues such packets (set "held"), and natshim holds them until their receiver can decrypt them. It encrypts again, with
 * the client's keys, what was encrypted with the server's, and releases all in their order. So a rekey under traffic loses nothing.
 * Bounded; a packet that finds no room goes on as it is. */
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

/* Unpredictable random bytes, for IVs. */
typedef bool esp_hold_random_fn(void *ctx, uint8_t *out, size_t length);

/* nft and pending stay the caller's and must outlive it. NULL: out of memory. */
struct esp_hold *esp_hold_new(struct rules_nft *nft, struct pending_sas *pending, esp_hold_random_fn *random,
			      void *ctx);
void esp_hold_log(struct esp_hold *esp_hold, struct log *log); /* where packet-held goes; NULL: nowhere */
void esp_hold_free(struct esp_hold *esp_hold);
/* Joins the event loop; nothing is held before. 0 or -errno. */
int esp_hold_start(struct esp_hold *esp_hold, struct nfq_queue *queue, struct event_base *loop);

/* An SA is known by its destination, as outer packets have it, and its SPI, in network order.
 * Before the server can install the SA, or the client can use it: from here on its packets are queued. */
void esp_hold_expect(struct esp_hold *esp_hold, const struct endpoint *client,
		     const struct endpoint *destination, const uint8_t spi[static 4]);
/* The kernel's SA had the keys of before, and has those of after now. */
void esp_hold_rekeyed(struct esp_hold *esp_hold, const struct endpoint *destination,
		      const uint8_t spi[static 4], const struct esp_sa *before, const struct esp_sa *after);
/* The kernel's SA is another client's: releases its packets as they are, and queues no more of them. */
void esp_hold_refused(struct esp_hold *esp_hold, const struct endpoint *destination,
		      const uint8_t spi[static 4]);
/* The receiver has its side of the SA, or will have it after_ms later. */
void esp_hold_ready(struct esp_hold *esp_hold, const struct endpoint *destination,
		    const uint8_t spi[static 4], unsigned after_ms);

/* A queued packet: NFQ_AS_IT_WAS if it belongs to no such SA. If this host sends one with the same SPI to another destination, natshim
 * (or to another port of it) natshim stops holding for that SPI, or it would queue every packet of that other SA. */
enum nfq_verdict esp_hold_packet(struct esp_hold *esp_hold, struct nfq_packet *packet);
/* Paused: releases all packets, and holds none; for the time in which the queue is drained. The expected SAs stay. */
void esp_hold_pause(struct esp_hold *esp_hold, bool paused);
/* Adds all elements again: the kernel's set is new and empty. */
void esp_hold_fill_set(struct esp_hold *esp_hold);

struct esp_hold_stats {
	uint64_t held, resealed; /* packets, of all times */
};
struct esp_hold_stats esp_hold_stats(const struct esp_hold *esp_hold);

#endif
