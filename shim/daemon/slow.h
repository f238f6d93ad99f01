/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages that take Diffie-Hellman arithmetic: they wait in the packet queue (shim/daemon/line.h), and are worked on one at a time, between the
 * other packets and for half of the time at most. So no other packet waits for more than one of them, whatever comes. */
#ifndef NATSHIM_SHIM_DAEMON_SLOW_H
#define NATSHIM_SHIM_DAEMON_SLOW_H

#include "nfq/endpoint.h"
#include "nfq/queue.h"

struct event_base;
struct slow; /* owned by the caller */

/* handler, ctx: who works on them. NULL: out of memory. */
struct slow *slow_new(nfq_handler *handler, void *ctx);
void slow_free(struct slow *slow);
/* Joins the event loop; slow_wait() is not to be called before. 0 or -errno. */
int slow_start(struct slow *slow, struct nfq_queue *queue, struct event_base *loop);
/* The verdict for that packet: NFQ_HELD, or NFQ_DROP where the line is full of others. host: shim/daemon/line.h. */
enum nfq_verdict slow_wait(struct slow *slow, const struct nfq_packet *packet, const struct endpoint *host);
/* All that wait, now: before the queue is drained. */
void slow_finish(struct slow *slow);

struct slow_stats {
	/* packets, of all times; refused: of these and of those that found no place, the dropped ones */
	uint64_t waited, refused;
};
struct slow_stats slow_stats(const struct slow *slow);

#endif
