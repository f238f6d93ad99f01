/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queued packets: owns the tables of IKE and L2TP and carries out the actions of their results (kernel sets, answers in a client's
 * name, facts for the session table). */
#ifndef NATSHIM_SHIM_DAEMON_PACKETS_H
#define NATSHIM_SHIM_DAEMON_PACKETS_H

#include "nfq/queue.h"
#include "rules/nft.h"
#include "shim/daemon/bridge_mode.h"
#include "shim/config.h"
#include "shim/daemon/aliases.h"
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
	uint64_t set_errors;        /* elements that the kernel refused */
	uint64_t unanswered_hellos; /* absorbed, but natshim could not send the acknowledgement */
	struct slow_stats slow;
};

/* Makes the tables and loads the state directory. False with one line in error. config, log, nft, sessions, bridge_mode and files
 * stay the caller's and must outlive it (config: until packets_configure). */
bool packets_open(struct packets **out, const struct config *config, struct log *log, struct rules_nft *nft,
		  struct sessions *sessions, struct bridge_mode *bridge_mode, struct files *files,
		  char error[static CONFIG_ERROR_MAX]);
void packets_close(struct packets *packets);                                  /* writes the state first */
void packets_configure(struct packets *packets, const struct config *config); /* after a reload */

/* Who gives aliases, or NULL; the caller's, and must outlive the packets. */
void packets_use_aliases(struct packets *packets, struct aliases *aliases);
/* From here on packets may wait: an L2TP request for the end of the tunnel that its client left behind; with --bridge, those whose
 * handling is slow, for their turn. 0 or -errno. */
int packets_start(struct packets *packets, struct nfq_queue *queue, struct event_base *loop);
/* False: handles all packets that wait, and lets none wait until it is allowed again; while the queue is drained. */
void packets_allow_waiting(struct packets *packets, bool allowed);
/* The queue's handler; ctx is the struct packets. */
enum nfq_verdict packets_handle(void *ctx, struct nfq_packet *packet);

/* False: gives no packet a mark, and has none meet the rules again; while the rules that take it off are not there. */
void packets_allow_marks(struct packets *packets, bool allowed);

/* Sends the changes of sets to the kernel; called before each batch of verdicts. */
void packets_before_verdicts(struct packets *packets);

/* Adds all elements of the packets' sets again, after their table was installed. */
void packets_fill_sets(struct packets *packets);
/* What of the tables outlives a restart; owned by packets. */
struct journal *packets_journal(struct packets *packets);
const struct ike_table *packets_ike(const struct packets *packets);
struct packets_stats packets_stats(const struct packets *packets);

#endif
