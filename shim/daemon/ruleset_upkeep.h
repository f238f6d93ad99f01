/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ruleset in the kernel while natshim runs: installs it, fills its sets from the tables in memory, and puts it back when
 * another program (a firewall reload, "nft flush ruleset") has removed it. With --rules external it installs nothing, and fills
 * the sets of the admin's own tables. */
#ifndef NATSHIM_SHIM_DAEMON_RULESET_UPKEEP_H
#define NATSHIM_SHIM_DAEMON_RULESET_UPKEEP_H

#include "rules/nft.h"
#include "shim/log.h"

#include <stdbool.h>
#include <stdint.h>

struct ruleset_upkeep_handlers {
	void (*fill_sets)(void *ctx);  /* adds all elements again: the tables are new and empty */
	void (*alias_gone)(void *ctx); /* another program removed the table of aliases */
};

/* The caller sets these, and zeroes the rest; all stay the caller's. */
struct ruleset_upkeep {
	struct log *log;
	struct rules_nft *nft;
	const struct ruleset *ruleset; /* to be installed, or that the admin should have loaded */
	bool external;                 /* --rules external */
	const struct ruleset_upkeep_handlers *handlers;
	void *ctx; /* of the handlers */

	uint64_t repaired; /* times; to be read */

	/* ruleset_upkeep.c's own */
	bool base_missing, queue_missing; /* tables that another program removed and that are not back yet */
	unsigned repair_wait;             /* ticks until the next attempt */
	unsigned repair_step;             /* ticks to wait after it, if it fails */
	unsigned refills;                 /* attempts left to fill the admin's sets */
};

/* Replaces the tables by those of upkeep->ruleset, and fills their sets; with --rules external only fills them. 0, or -errno and why in error; then the old ones stay. */
int ruleset_upkeep_install(struct ruleset_upkeep *upkeep, char error[static RULES_ERROR_MAX]);
/* rules_nft_watch_fd() is readable. */
void ruleset_upkeep_on_nft_event(struct ruleset_upkeep *upkeep);
/* Once a second: tries again what has failed. */
void ruleset_upkeep_tick(struct ruleset_upkeep *upkeep);

#endif
