/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L2TP requests that wait in the packet queue, each for L2TP_WAIT_MS, until the LNS has ended what their client left behind
 * (L2TP_ACT_WAIT). Bounded; one that finds no room goes on at once. */
#ifndef NATSHIM_SHIM_DAEMON_L2TP_WAIT_H
#define NATSHIM_SHIM_DAEMON_L2TP_WAIT_H

#include "nfq/queue.h"

#define L2TP_WAIT_PLACES 64
#define L2TP_WAIT_PACKET_MAX 1500 /* bytes; a longer one that was changed finds no room */

struct event_base;
struct l2tp_wait; /* owned by the caller */

/* queue: whose packets may wait, the caller's. NULL: out of memory. */
struct l2tp_wait *l2tp_wait_new(struct nfq_queue *queue, struct event_base *loop);
void l2tp_wait_free(struct l2tp_wait *wait);
/* True: its verdict is NFQ_HELD. changed: what goes on is packet->data, not what the kernel has. */
bool l2tp_wait_put(struct l2tp_wait *wait, const struct nfq_packet *packet, bool changed);
/* All that wait go on now: before the queue is drained. */
void l2tp_wait_finish(struct l2tp_wait *wait);

#endif
