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
#include "shim/log.h"
#include "shim/proc/secrets.h"
#include "shim/session/session.h"
#include "shim/stack/stack.h"
#include "shim/proc/rekeyer.h"

struct bridging;
struct event_base;

/* NULL in *out, and true, without --bridge; else core dumps are forbidden from then on. False: one line in error. log, nft,
 * secrets and swapper stay the caller's and must outlive it. */
bool bridging_open(struct bridging **out, const struct config *config, struct log *log, struct rules_nft *nft,
		   struct secrets *secrets, struct swapper *swapper, char error[static CONFIG_ERROR_MAX]);
void bridging_close(struct bridging *bridging); /* wipes every key */
/* After a SIGHUP: reads the file of secrets anew. False: the old ones stay; one line in error. */
bool bridging_reload(struct bridging *bridging, char error[static CONFIG_ERROR_MAX]);
/* Joins the event loop. queue: where packets to clients may be held. 0 or -errno. */
int bridging_start(struct bridging *bridging, struct nfq_queue *queue, struct event_base *loop);
/* All packets that are held go on: before the queue is drained. */
void bridging_release(struct bridging *bridging);
/* A packet that came up: NFQ_AS_IT_WAS where it is none that bridge mode waits for (shim/daemon/esp_hold.h). */
enum nfq_verdict bridging_packet(struct bridging *bridging, struct nfq_packet *packet);

/* Which VPN stack was found; STACK_AUTO: none yet. strongSwan cannot serve the Macs before 10.4.4 without the bridge. */
void bridging_beside(struct bridging *bridging, enum stack_kind stack);
struct bridge *bridging_bridge(struct bridging *bridging); /* NULL without one */
/* Fills the kernel's maps anew, after the tables that they are in were installed. */
void bridging_fill_sets(struct bridging *bridging);
/* After filter_packet(): does what outcome->bridge asks for and wipes it. The verdict for the packet. *known is set when
 * exchanges that the server starts with this client must come up. */
enum nfq_verdict bridging_act(struct bridging *bridging, struct filter_outcome *outcome, bool *known);

/* Facts of the kernel's SAs (shim/proc/rekeyer.h): what waited for one gets its keys. bridging may be NULL. */
void bridging_sa(struct bridging *bridging, const struct sa_info *sa);
void bridging_sas_lost(struct bridging *bridging); /* some may have come untold, or nobody could give keys meanwhile */

/* A session's end, said to both sides in IKE's own words. False: it is none that is bridged, or not all of it can be ended so. */
bool bridging_end(struct bridging *bridging, const struct session_action *action);
/* The same for all sessions, at most max at a time. How many. */
size_t bridging_end_some(struct bridging *bridging, size_t max);

struct bridging_stats {
	struct bridge_stats bridge;
	uint64_t swapped, swap_errors, /* SAs that got other keys, that did not; */
		swap_refused,          /* that were another's, and were left alone; */
		swap_lost,             /* of swap_errors: that the kernel would not take back */
		set_errors;            /* cookies that the kernel did not take */
	struct holding_stats holding;
	uint64_t unanswered; /* questions to the process with the secrets */
	size_t waiting;      /* SAs that the stack has not installed yet */
};
struct bridging_stats bridging_stats(const struct bridging *bridging);

#endif
