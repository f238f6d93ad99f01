/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions in the running daemon: carries facts from the kernel's SAs, the alive sets, L2TP and IKE to the session table, and
 * what the table decides to the VPN stack. Decides nothing itself. */
#ifndef NATSHIM_SHIM_DAEMON_SESSIONS_H
#define NATSHIM_SHIM_DAEMON_SESSIONS_H

#include "rules/nft.h"
#include "shim/config.h"
#include "shim/log.h"
#include "shim/daemon/stale_sas.h"
#include "shim/session/session.h"
#include "shim/stack/stack.h"
#include "shim/proc/rekeyer.h"

struct event_base;
struct watch;

/* Starts the worker that speaks to the stack: before privileges are dropped. NULL in *out, and 0, with --stack none. 0 or
 * -errno. */
int watch_prepare(struct watch **out, const struct config *config, struct log *log);
/* Joins the event loop. features: what the rules could use. ike, nft and swapper stay the caller's and must outlive the watch.
 * Without a swapper (a kernel without XFRM) there are no sessions to watch. */
int watch_start(struct watch *watch, struct event_base *loop, struct rules_nft *nft,
		const struct rules_features *features, const struct ike_table *ike, struct swapper *swapper);
void watch_stop(struct watch *watch);
void watch_configure(struct watch *watch, const struct config *config); /* after a reload */

/* Who can end a session by Deletes in its client's name, and in the server's: asked before the stack is. True: said; then the stack is
 * told only if its SAs stay. */
typedef bool watch_end_fn(void *ctx, const struct session_action *action);
void watch_on_end(struct watch *watch, watch_end_fn *fn, void *ctx);
/* Has the stack end what a killed natshim left. Both stay the caller's and must outlive the watch; bridge may be NULL. */
void watch_end_orphans(struct watch *watch, struct orphans *orphans, const struct bridge *bridge);

/* Fills the kernel's sets of what is the sessions' own, after the tables that they are in were installed. watch may be NULL. */
void watch_fill_sets(struct watch *watch);
/* The name of one of these sets that is in no table, or NULL. */
const char *watch_missing_set(struct watch *watch);

/* Facts of the kernel's SAs, as swapper_handlers; after some of them watch_follow(). watch may be NULL: --stack none. */
void watch_sa(struct watch *watch, const struct sa_info *sa);
void watch_sa_gone(struct watch *watch, const struct sa_info *sa);
void watch_dump_begin(struct watch *watch, uint64_t at_ms);
void watch_dump_end(struct watch *watch, int error);
void watch_follow(struct watch *watch); /* what they lead to is done */

/* Facts from the packet path; each is cheap. watch may be NULL: --stack none. */
void watch_phase1_begins(struct watch *watch, const struct endpoint *peer);
void watch_l2tp(struct watch *watch, const struct endpoint *client, enum session_l2tp what);

/* natshim drop: how many sessions it is for. */
size_t watch_drop(struct watch *watch, const struct endpoint *peer);

/* For status. */
enum stack_kind watch_stack(const struct watch *watch); /* STACK_AUTO: none was found */
bool watch_each_of(const struct watch *watch, uint32_t *cursor, unsigned max, session_view_fn *fn, void *ctx);
struct session_stats watch_stats(const struct watch *watch);
struct xfrm_stats watch_xfrm_stats(const struct watch *watch);

#endif
