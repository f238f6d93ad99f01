/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several clients behind one NAT in the running daemon: carries what the packet path sees of IKE to the table of aliases
 * (shim/alias/alias.h), and what that decides to the kernel: the maps of table natshim_alias, which is there only as long as a client has
 * an alias, and connection tracking. Decides nothing itself. All functions take NULL for the struct: no aliases are given. */
#ifndef NATSHIM_SHIM_DAEMON_ALIASES_H
#define NATSHIM_SHIM_DAEMON_ALIASES_H

#include "nfq/queue.h"
#include "rules/nft.h"
#include "shim/alias/alias.h"
#include "shim/config.h"
#include "shim/filter.h"
#include "shim/log.h"
#include "shim/proc/files.h"
#include "shim/session/session.h"

struct aliases; /* owned by the caller */

/* Loads the state. NULL in *out, and true, where none are to be given (config_aliases(), or a kernel without IPsec). False with one
 * line in error. What is passed stays the caller's and must outlive it, but for config, which
 * a reload replaces. */
bool aliases_open(struct aliases **out, const struct config *config, const struct rules_features *features,
		  struct log *log, struct rules_nft *nft, struct files *files,
		  char error[static CONFIG_ERROR_MAX]);
void aliases_close(struct aliases *aliases); /* writes the state first */
/* What is asked of the sessions: whether one lives at an address as the server sees it (host: the real one), and whether all of them are
 * known. */
struct aliases_sessions {
	struct session_life (*life)(void *ctx, const struct endpoint *host, const struct endpoint *at);
	bool (*complete)(void *ctx);
	/* Where the server believes the client to be that sends with this SPI. */
	bool (*of_spi)(void *ctx, const struct endpoint *host, uint32_t spi, struct endpoint *peer);
	/* A client has another real flow. */
	void (*moved)(void *ctx, const struct endpoint *was, const struct endpoint *client);
};
/* Whose sessions are asked after, and the ruleset that has the table: with each ruleset that is installed. Puts the table of the clients that
 * are known into the kernel; where there are none, it is taken away. */
void aliases_use(struct aliases *aliases, const struct aliases_sessions *sessions, void *sessions_ctx,
		 const struct ruleset *ruleset);

/* A message of IKE on its way, after it was looked at; before the verdict. True: it must not go on. */
bool aliases_message(struct aliases *aliases, const struct filter_outcome *outcome, bool to_server);

/* A packet for the server's port 4500 from a port that nobody is known by; before the verdict. */
void aliases_stray(struct aliases *aliases, const struct packet_udp *udp);
/* Facts of the kernel's SAs, as in rekeyer_handlers (sa, moved). */
void aliases_sa(struct aliases *aliases, const struct sa_info *sa);
void aliases_heard(struct aliases *aliases, const struct sa_info *sa, const struct endpoint *from);

/* Once a second. True: no client has had an alias for a while, and the kernel's table can go: aliases_unload(), with nothing in the queue,
 * whose packets would be lost. */
bool aliases_tick(struct aliases *aliases);
void aliases_unload(struct aliases *aliases);
void aliases_table_gone(struct aliases *aliases); /* somebody else has taken it away */
/* What became of the state file; the process that writes it has died. */
void aliases_write_again(struct aliases *aliases);
void aliases_saved(struct aliases *aliases, int error);

/* One's other name; *at is left as it is where it has none, and false returned. */
bool aliases_real(const struct aliases *aliases, struct endpoint *at);
bool aliases_alias(const struct aliases *aliases, struct endpoint *at);
/* Around a message of natshim's own to the server in a client's name. *client: the client's real address and port; afterwards the source
 * that the message must have so that the server sees the client's alias, or its own address where it has none. */
void aliases_begin_speaking(struct aliases *aliases, struct endpoint *client, const struct endpoint *server);
void aliases_end_speaking(struct aliases *aliases, const struct endpoint *client,
			  const struct endpoint *server);
/* What the client speaks that the server sees there (port 0: its port on 4500 is not known): its own dialect, or IKE_DIALECT_NONE if others
 * are behind that address and it is not known which one it is. Without aliases what the table of IKE knows of that address. */
enum ike_dialect aliases_dialect(const struct aliases *aliases, const struct ike_table *ike, uint64_t now_ms,
				 const struct endpoint *seen);
void aliases_each_of(const struct aliases *aliases, const struct endpoint *host, alias_fn *fn, void *ctx);
struct alias_stats aliases_stats(const struct aliases *aliases);

#endif
