/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridge mode in the running daemon: holds the secrets and the pure bridge, and does what its results ask for (the kernel's
 * set of bridged cookies, other keys for the kernel's SAs, refusals, log lines). Decides nothing itself. */
#ifndef NATSHIM_SHIM_DAEMON_BRIDGE_MODE_H
#define NATSHIM_SHIM_DAEMON_BRIDGE_MODE_H

#include "nfq/queue.h"
#include "rules/nft.h"
#include "shim/config.h"
#include "shim/filter.h"
#include "shim/daemon/esp_hold.h"
#include "shim/daemon/sessions.h"
#include "shim/daemon/stale_sas.h"
#include "shim/log.h"
#include "shim/proc/secrets.h"
#include "shim/session/session.h"
#include "shim/stack/stack.h"
#include "shim/proc/rekeyer.h"

struct bridge_mode;
struct event_base;

/* Without --bridge nothing is bridged, and of bridge mode only the end of what a killed natshim left remains; with it, core dumps are
 * forbidden from then on. False: one line in error; *out is to be closed all the same. log, nft, secrets and rekeyer stay the
 * caller's and must outlive it. */
bool bridge_mode_open(struct bridge_mode **out, const struct config *config, struct log *log,
		      struct rules_nft *nft, struct secrets *secrets, struct rekeyer *rekeyer,
		      char error[static CONFIG_ERROR_MAX]);
void bridge_mode_close(struct bridge_mode *bridge_mode); /* wipes every key; NULL: nothing */
/* After a SIGHUP: reads the file of secrets anew. False: the old ones stay; one line in error. */
bool bridge_mode_reload(struct bridge_mode *bridge_mode, char error[static CONFIG_ERROR_MAX]);
/* Joins the event loop. queue: where packets to clients may be held. 0 or -errno. */
int bridge_mode_start(struct bridge_mode *bridge_mode, struct nfq_queue *queue, struct event_base *loop);
/* False: all packets that are held go on, and none is held until it is allowed again: while the queue is drained. NULL: nothing. */
void bridge_mode_allow_waiting(struct bridge_mode *bridge_mode, bool allowed);
/* A packet that came up: NFQ_AS_IT_WAS where it is none that bridge mode waits for (shim/daemon/esp_hold.h). */
enum nfq_verdict bridge_mode_packet(struct bridge_mode *bridge_mode, struct nfq_packet *packet);

/* From here on sessions end by Deletes where they can, the stack's kind is known once it is found, and what a killed natshim left is
 * ended by the stack. sessions: NULL with --stack none; else the caller's, and to be stopped before bridge_mode_close(). */
void bridge_mode_join_sessions(struct bridge_mode *bridge_mode, struct sessions *sessions);
/* What a killed natshim left; bridge mode's own. */
struct stale_sas *bridge_mode_stale_sas(struct bridge_mode *bridge_mode);
struct bridge *bridge_mode_bridge(struct bridge_mode *bridge_mode); /* NULL without one */
/* Fills the kernel's maps anew, after the tables that they are in were installed. */
void bridge_mode_fill_sets(struct bridge_mode *bridge_mode);
/* After filter_packet(): does what outcome->bridge asks for and wipes it. The verdict for the packet. *known is set when
 * exchanges that the server starts with this client must come up. */
enum nfq_verdict bridge_mode_act(struct bridge_mode *bridge_mode, struct filter_outcome *outcome,
				 bool *known);

/* Facts of the kernel's SAs (shim/proc/rekeyer.h): what waited for one gets its keys. */
void bridge_mode_sa(struct bridge_mode *bridge_mode, const struct sa_info *sa);
void bridge_mode_sas_lost(
	struct bridge_mode *bridge_mode); /* some may have come untold, or nobody could give keys meanwhile */

/* Ends ISAKMP SAs of clients, at most max, and all SAs of theirs by Deletes to both sides. How many. */
size_t bridge_mode_end_some(struct bridge_mode *bridge_mode, size_t max);

struct bridge_mode_stats {
	struct bridge_stats bridge;
	uint64_t rekeyed, rekey_errors, /* SAs that got other keys, that did not; */
		rekey_refused,          /* that were another's, and were left alone; */
		rekey_lost,             /* of rekey_errors: that the kernel would not take back */
		set_errors;             /* cookies that the kernel did not take */
	struct esp_hold_stats esp_hold;
	uint64_t unanswered; /* questions to the process with the secrets */
	size_t waiting;      /* SAs that the stack has not installed yet */
};
struct bridge_mode_stats bridge_mode_stats(const struct bridge_mode *bridge_mode);

#endif
