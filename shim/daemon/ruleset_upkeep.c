/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of our two tables is missing, and when to try again. */
#include "shim/daemon/ruleset_upkeep.h"

#define REPAIR_RETRY_MAX 60 /* ticks between two attempts to put the rules back */
#define REFILL_TICKS                                                                                         \
	5 /* attempts to fill the admin's sets after his tables were removed: he loads them again */

/* False: one of the admin's sets is missing. Those that are there are filled when he has had the time to load them. */
static bool refill(struct ruleset_upkeep *u)
{
	const char *const missing = rules_nft_missing_set(u->nft, u->ruleset);
	const bool last = u->refills <= 1;

	if (missing && last)
		log_event(u->log, LOG_RULES_MISSING, NULL,
			  "rules: the set %s is not in your tables: load what `natshim rules' prints",
			  missing);
	if (!missing || last)
		u->handlers->fill_sets(u->ctx);
	return !missing;
}

int ruleset_upkeep_install(struct ruleset_upkeep *u, char error[static RULES_ERROR_MAX])
{
	int rc;

	if (u->external) {
		refill(u);
		return 0;
	}
	rc = rules_nft_install(u->nft, u->ruleset, error);
	if (rc)
		return rc;
	u->base_missing = u->queue_missing = false;
	u->handlers->fill_sets(u->ctx);
	return 0;
}

static int install_base(struct ruleset_upkeep *u, char error[static RULES_ERROR_MAX])
{
	const int rc = rules_nft_install_base(u->nft, u->ruleset, error);

	if (!rc)
		u->handlers->fill_sets(u->ctx);
	return rc;
}

/* At once, and after each failure later than the last time. */
static void repair(struct ruleset_upkeep *u)
{
	char error[RULES_ERROR_MAX] = "";
	int rc;

	if (!u->base_missing && !u->queue_missing)
		return;
	if (u->repair_wait && u->repair_wait--)
		return;
	rc = u->queue_missing ? ruleset_upkeep_install(u, error) : install_base(u, error);
	if (!rc) {
		u->base_missing = u->queue_missing = false;
		u->repair_step = 0;
		u->repaired++;
		log_event(u->log, LOG_RULES_REPAIRED, NULL,
			  "rules: removed by another program, installed again");
		return;
	}
	u->repair_step = u->repair_step ? u->repair_step * 2 : 1;
	if (u->repair_step > REPAIR_RETRY_MAX)
		u->repair_step = REPAIR_RETRY_MAX;
	u->repair_wait = u->repair_step;
	log_event(u->log, LOG_RULES_MISSING, NULL,
		  "rules: removed by another program, and installing them again failed: %s; next attempt in "
		  "%u s",
		  error, u->repair_step);
}

void ruleset_upkeep_on_nft_event(struct ruleset_upkeep *u)
{
	bool base_gone = false, queue_gone = false, alias_gone = false;

	rules_nft_watch_read(u->nft, &base_gone, &queue_gone, &alias_gone);
	if (alias_gone)
		u->handlers->alias_gone(u->ctx);
	if (!base_gone && !queue_gone)
		return;
	if (u->external) {
		u->refills = REFILL_TICKS;
		return;
	}
	u->base_missing |= base_gone;
	u->queue_missing |= queue_gone;
	u->repair_wait = 0;
	repair(u);
}

void ruleset_upkeep_tick(struct ruleset_upkeep *u)
{
	repair(u);
	if (u->refills && refill(u))
		u->refills = 0;
	else if (u->refills)
		u->refills--;
}
