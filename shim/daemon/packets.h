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
#include "shim/daemon/stale_sas.h"
#include "shim/daemon/slow.h"
#include "shim/daemon/sessions.h"

struct event_base;
struct traffic;

struct traffic_stats {
	const struct filter_counters *filter;
	struct ike_table_stats ike;
	struct l2tp_table_stats l2tp;
	uint64_t set_errors;        /* elements that the kernel did not take */
	uint64_t unanswered_hellos; /* absorbed, and the acknowledgement could not be sent */
	struct slow_stats slow;
};

/* Makes the tables and loads the state directory. False with one line in error. config, log, nft, watch, bridging and files
 * stay the caller's and must outlive it (config: until traffic_configure). */
bool traffic_open(struct traffic **out, const struct config *config, struct log *log, struct rules_nft *nft,
		  struct watch *watch, struct bridging *bridging, struct files *files,
		  char error[static CONFIG_ERROR_MAX]);
void traffic_close(struct traffic *traffic);                                  /* writes the state first */
void traffic_configure(struct traffic *traffic, const struct config *config); /* after a reload */

/* Joins the event loop, with bridging: from then on what is slow waits in the queue. 0 or -errno. */
int traffic_start(struct traffic *traffic, struct nfq_queue *queue, struct event_base *loop);
/* Nothing waits any more until it is allowed again: while the queue is drained. */
void traffic_allow_waiting(struct traffic *traffic, bool allowed);
/* The queue's handler; ctx is the struct traffic. */
enum nfq_verdict traffic_packet(void *ctx, struct nfq_packet *packet);

/* The sets are changed by the batch, as verdicts leave: called before they do. */
void traffic_before_verdicts(struct traffic *traffic);

/* Fills the kernel's sets anew, after the table that they are in was installed. */
void traffic_fill_sets(struct traffic *traffic);
/* Writes what has changed since the last time. Once a second. */
void traffic_save(struct traffic *traffic);
/* What became of it. */
void traffic_saved(struct traffic *traffic, enum files_target target, int error);

/* What a killed natshim left; the traffic's own, written to the journal while it is not ended. */
struct orphans *traffic_orphans(struct traffic *traffic);
const struct ike_table *traffic_ike(const struct traffic *traffic);
struct traffic_stats traffic_stats(const struct traffic *traffic);

#endif
