/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions in the running daemon: carries facts from the kernel's SAs, the alive sets, L2TP and IKE to the session table
 * (shim/session), and the table's decisions to the VPN stack and the log. Decides nothing itself. */
#ifndef NATSHIM_SHIM_DAEMON_SESSIONS_H
#define NATSHIM_SHIM_DAEMON_SESSIONS_H

#include "rules/nft.h"
#include "shim/config.h"
#include "shim/log.h"
#include "shim/session/session.h"
#include "shim/stack/stack.h"
#include "shim/proc/rekeyer.h"

struct aliases;
struct event_base;
struct sessions;

/* stack_socket: natshim-stack's. With --stack none: NULL in *out, and 0. 0 or -errno. */
int sessions_prepare(struct sessions **out, const struct config *config, int stack_socket, struct log *log);
/* Joins the event loop. features: what this kernel's nftables can do. ike, nft and rekeyer stay the caller's and must outlive it.
 * Without a rekeyer (a kernel without XFRM) there are no sessions. */
int sessions_start(struct sessions *sessions, struct event_base *loop, struct rules_nft *nft,
		   const struct rules_features *features, const struct ike_table *ike,
		   struct rekeyer *rekeyer);
void sessions_stop(struct sessions *sessions);
void sessions_configure(struct sessions *sessions, const struct config *config); /* after a reload */

/* What bridge mode (shim/daemon/bridge_mode.h) does for the sessions and must hear of them. */
struct sessions_bridge {
	/* Ends a session by Deletes to both sides; asked before the stack is. True: sent; then the stack is asked only if the SAs
	 * stay. */
	bool (*end)(void *ctx, const struct session_action *action);
	/* This VPN stack was found: never STACK_AUTO. */
	void (*stack_found)(void *ctx, enum stack_kind stack);
	/* The stack's answer to sessions_end_stale(). error: 0 or -errno; text: why, may be empty. */
	void (*stale_ended)(void *ctx, int error, const char *text);
};
void sessions_set_bridge(struct sessions *sessions, const struct sessions_bridge *bridge, void *ctx);
/* Asks the stack to end SAs that are of no session; request->id: of shim/daemon/stale_sas.h. 0 or -errno. */
int sessions_end_stale(struct sessions *sessions, const struct stack_end_request *request);

/* By which the sessions' real addresses are known; NULL: none has another. It stays the caller's and must outlive the sessions. */
void sessions_use_aliases(struct sessions *sessions, const struct aliases *aliases);
/* What lives at an address as the server sees it (host: its real one), and whether all SAs of the kernel have been read once.
 * sessions may be NULL. */
struct session_life sessions_life(const struct sessions *sessions, const struct endpoint *host,
				  const struct endpoint *at);
bool sessions_complete(const struct sessions *sessions);
bool sessions_of_spi(const struct sessions *sessions, const struct endpoint *host, uint32_t spi,
		     struct endpoint *peer);
/* The client whose packets came from that flow has another one now; its new name is known to the aliases. */
void sessions_moved(struct sessions *sessions, const struct endpoint *was, const struct endpoint *client);

/* Adds all elements of the sessions' sets again, after their tables were installed. sessions may be NULL. */
void sessions_fill_sets(struct sessions *sessions);

/* Facts of the kernel's SAs, as in rekeyer_handlers; call sessions_run_actions() after some of them. sessions may be NULL. */
void sessions_sa(struct sessions *sessions, const struct sa_info *sa);
void sessions_sa_gone(struct sessions *sessions, const struct sa_info *sa);
void sessions_dump_begin(struct sessions *sessions, uint64_t at_ms);
void sessions_dump_end(struct sessions *sessions, int error);
void sessions_run_actions(struct sessions *sessions); /* carries out what follows from the facts */

/* Facts from the packet path; each is cheap. sessions may be NULL: --stack none. */
void sessions_phase1_begins(struct sessions *sessions, const struct endpoint *peer);
/* A HELLO of the LNS was answered for this client, which is named as the LNS sees it. */
void sessions_hello_absorbed(struct sessions *sessions, const struct endpoint *client);
/* As session_renewed(). */
uint64_t sessions_renewed(const struct sessions *sessions, const struct endpoint *client);
void sessions_l2tp(struct sessions *sessions, const struct endpoint *client, enum session_l2tp what);

/* natshim drop: ends the peer's sessions. Returns how many. */
size_t sessions_drop(struct sessions *sessions, const struct endpoint *peer);

/* For status. */
enum stack_kind sessions_stack(const struct sessions *sessions); /* STACK_AUTO: none found */
bool sessions_each_of(const struct sessions *sessions, uint32_t *cursor, unsigned max, session_view_fn *fn,
		      void *ctx);
struct session_stats sessions_stats(const struct sessions *sessions);
struct xfrm_stats sessions_xfrm_stats(const struct sessions *sessions);

#endif
