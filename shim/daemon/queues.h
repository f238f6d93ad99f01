/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two packet queues of the daemon, each with a number and a place in the kernel of its own, so that a flood of strangers' first
 * messages does not cost those who are known theirs:
 *
 *   --queue-num      first messages of phase 1, from anybody
 *   the number next  later messages of known exchanges, and what sessions need: L2TP control messages, ESP that is held
 *
 * Both go to the same handler; the known ones wait for at most some hundred strangers. */
#ifndef NATSHIM_SHIM_DAEMON_QUEUES_H
#define NATSHIM_SHIM_DAEMON_QUEUES_H

#include "nfq/queue.h"
#include "shim/log.h"

#include <event2/event.h>

#define QUEUES_ERROR_MAX 160

struct queues; /* owned by the caller; the functions take NULL, which does nothing */

/* handler and before_verdicts are called with ctx, for both. Waits a second for a natshim that is about to go. False with the reason in
 * error: a number is taken, or the kernel has no packet queue. log must outlive it. */
bool queues_open(struct queues **out, unsigned number, nfq_handler *handler,
		 void (*before_verdicts)(void *ctx), void *ctx, struct log *log,
		 char error[static QUEUES_ERROR_MAX]);
int queues_start(struct queues *queues, struct event_base *loop); /* 0 or -errno */
/* Whose packets may be held (NFQ_HELD). */
struct nfq_queue *queues_known(const struct queues *queues);
struct nfq_stats queues_stats(const struct queues *queues); /* of both together */
/* As the functions of nfq/queue.h. queues_close() frees it. */
void queues_drain(struct queues *queues, unsigned timeout_ms);
void queues_close(struct queues *queues, unsigned drain_ms);

#endif
