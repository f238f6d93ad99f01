/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes up from the packet queue: the tables of IKE and L2TP, the actions that their results ask for (kernel sets,
 * answers for a client, facts for the session table), and what of it outlives a restart. */
#ifndef NATSHIM_SHIM_DAEMON_PACKETS_H
#define NATSHIM_SHIM_DAEMON_PACKETS_H

#include "nfq/queue.h"
#include "rules/nft.h"
#include "shim/daemon/bridge_mode.h"
#include "shim/config.h"
#include "shim/proc/files.h"
#include "shim/filter.h"
#include "shim/log.h"
#include "shim/daemon/journal.h"
#include "shim/daemon/slow.h"
#include "shim/daemon/sessions.h"

struct event_base;
struct packets;

struct packets_stats {
	const struct filter_counters *filter;
	struct ike_table_stats ike;
	struct l2tp_table_stats l2tp;
	uint64_t set_errors;        /* elements that the kernel did not take */
	uint64_t unanswered_hellos; /* absorbed, and the acknowledgement could not be sent */
	struct slow_stats slow;
};

/* Makes the tables and loads the state directory. False with one line in error. config, log, nft, sessions, bridge_mode and files
 * stay the caller's and must outlive it (config: until packets_configure). */
bool packets_open(struct packets **out, const struct config *config, struct log *log, struct rules_nft *nft,
		  struct sessions *sessions, struct bridge_mode *bridge_mode, struct files *files,
		  char error[static CONFIG_ERROR_MAX]);
void packets_close(struct packets *packets);                                  /* writes the state first */
void packets_configure(struct packets *packets, const struct config *config); /* after a reload */

/* Joins the event loop, with bridging: from then on what is slow waits in the queue. 0 or -errno. */
int packets_start(struct packets *packets, struct nfq_queue *queue, struct event_base *loop);
/* Nothing waits any more until it is allowed again: while the queue is drained. */
void packets_allow_waiting(struct packets *packets, bool allowed);
/* The queue's handler; ctx is the struct packets. */
enum nfq_verdict packets_handle(void *ctx, struct nfq_packet *packet);

/* The sets are changed by the batch, as verdicts leave: called before they do. */
void packets_before_verdicts(struct packets *packets);

/* Fills the kernel's sets anew, after the table that they are in was installed. */
void packets_fill_sets(struct packets *packets);
/* What of the tables outlives a restart; owned by packets. */
struct journal *packets_journal(struct packets *packets);
const struct ike_table *packets_ike(const struct packets *packets);
struct packets_stats packets_stats(const struct packets *packets);

#endif
