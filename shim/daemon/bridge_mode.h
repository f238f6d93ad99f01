/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridge mode in the running daemon. Owns the pure bridge (shim/bridge), the SAs whose keys or packets wait (pending_sas), the ESP
 * packets that wait (esp_hold) and the stale SAs of a killed natshim; carries out the bridge's results: the kernel's set of bridged
 * cookies, other keys for the kernel's SAs, refusals, Deletes, log lines. Decides nothing itself. */
#ifndef NATSHIM_SHIM_DAEMON_BRIDGE_MODE_H
#define NATSHIM_SHIM_DAEMON_BRIDGE_MODE_H

#include "nfq/queue.h"
#include "rules/nft.h"
#include "shim/config.h"
#include "shim/daemon/aliases.h"
#include "shim/filter.h"
#include "shim/daemon/esp_hold.h"
#include "shim/daemon/sa_keys.h"
#include "shim/daemon/sessions.h"
#include "shim/daemon/stale_sas.h"
#include "shim/log.h"
#include "shim/proc/secrets.h"
#include "shim/session/session.h"
#include "shim/stack/stack.h"
#include "shim/proc/rekeyer.h"

struct bridge_mode;
struct event_base;

/* Without --bridge nothing is bridged, but stale SAs are still deleted. With it, core dumps are disabled from here on. False: one line
 * in error; the caller closes *out all the same. log, nft, secrets and rekeyer stay the caller's and must outlive it. */
bool bridge_mode_open(struct bridge_mode **out, const struct config *config, struct log *log,
		      struct rules_nft *nft, struct secrets *secrets, struct rekeyer *rekeyer,
		      char error[static CONFIG_ERROR_MAX]);
void bridge_mode_close(struct bridge_mode *bridge_mode); /* wipes every key; NULL: nothing */
/* After a SIGHUP: reads the file of secrets again. False: the old ones stay; one line in error. */
bool bridge_mode_reload(struct bridge_mode *bridge_mode, char error[static CONFIG_ERROR_MAX]);
/* Joins the event loop. queue: where packets to clients may be held. 0 or -errno. */
int bridge_mode_start(struct bridge_mode *bridge_mode, struct nfq_queue *queue, struct event_base *loop);
/* By which the addresses that the server knows clients by are known; NULL: each has its own. Before the loop begins; it stays the caller's and
 * must outlive bridge mode. */
void bridge_mode_use_aliases(struct bridge_mode *bridge_mode, struct aliases *aliases);
/* False: releases all held packets, and holds none until it is allowed again; for the time in which the queue is drained. NULL:
 * nothing. */
void bridge_mode_allow_waiting(struct bridge_mode *bridge_mode, bool allowed);
/* A queued packet: NFQ_AS_IT_WAS if it is not ESP that bridge mode waits for (shim/daemon/esp_hold.h). */
enum nfq_verdict bridge_mode_packet(struct bridge_mode *bridge_mode, struct nfq_packet *packet);

/* From here on bridge mode ends sessions by Deletes where it can, learns which VPN stack was found, and has the stack delete stale SAs.
 * sessions: NULL with --stack none; else the caller's, who stops it before bridge_mode_close(). */
void bridge_mode_join_sessions(struct bridge_mode *bridge_mode, struct sessions *sessions);
/* SAs of a killed natshim; owned by bridge mode. */
struct stale_sas *bridge_mode_stale_sas(struct bridge_mode *bridge_mode);
struct bridge *bridge_mode_bridge(const struct bridge_mode *bridge_mode); /* NULL without one */
/* Adds all elements of bridge mode's sets and maps again, after their tables were installed. */
void bridge_mode_fill_sets(struct bridge_mode *bridge_mode);
/* After filter_packet(): carries out outcome->bridge and wipes it. Returns the packet's verdict. Sets *known if exchanges that the
 * server starts with this client must be queued. */
enum nfq_verdict bridge_mode_act(struct bridge_mode *bridge_mode, struct filter_outcome *outcome,
				 bool *known);

/* The kernel has added an SA (shim/proc/rekeyer.h): it gets the keys that wait for it. */
void bridge_mode_sa(struct bridge_mode *bridge_mode, const struct sa_info *sa);
void bridge_mode_sas_lost(
	struct bridge_mode *bridge_mode); /* events may have been missed, or natshim-xfrm was away */

/* Ends at most max ISAKMP SAs of clients, with their child SAs, by Deletes to both sides. Returns how many. */
size_t bridge_mode_end_some(struct bridge_mode *bridge_mode, size_t max);

struct bridge_mode_stats {
	struct bridge_stats bridge;
	uint64_t rekeyed, rekey_errors, /* SAs that got other keys; that did not; */
		rekey_refused,          /* left alone, as another client's; */
		rekey_lost,             /* of rekey_errors: that the kernel lost */
		set_errors;             /* cookies that the kernel did not take */
	struct esp_hold_stats esp_hold;
	uint64_t unanswered; /* questions to the process with the secrets */
	size_t waiting;      /* SAs that the stack has not installed yet */
};
struct bridge_mode_stats bridge_mode_stats(const struct bridge_mode *bridge_mode);

#endif
