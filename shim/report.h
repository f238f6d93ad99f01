/* The daemon's state as JSON: what `natshim status --json' prints. Its keys are stable and stand in docs/natshim.8. */
#ifndef NATSHIM_SHIM_REPORT_H
#define NATSHIM_SHIM_REPORT_H

#include "nfq/queue.h"
#include "rules/nft.h"
#include "shim/config.h"
#include "shim/filter.h"
#include "shim/watch.h"

/* What the daemon itself counts. */
struct report_events {
	uint64_t rules_repaired;    /* times that somebody took our tables away and they were put back */
	uint64_t unanswered_hellos; /* absorbed, and the acknowledgement could not be sent */
	uint64_t set_errors;        /* elements that the kernel did not take */
};

struct report {
	const struct config *config;
	uint64_t now_ms, started_ms;
	const struct filter *filter;
	const struct l2tp_table *l2tp;
	const struct watch *watch;
	const struct nfq_queue *queue;
	struct rules_nft *nft;
	struct report_events events;
};

char *report_json(const struct report *report); /* malloc'ed; NULL: out of memory */

#endif
